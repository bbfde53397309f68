# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Titles, candidates and answers against full passes over prompt and text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding.title_trie import build_title_trie
from plum_jax.models import answers
from plum_jax.models import generation
from plum_jax.models.candidates import score_candidates
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.titles import recommend_titles
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig

_EOS = 1
_SIZES = {
    'vocab_size': 24,
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
}
_PROMPTS = [[3, 10, 15, 4, 9, 14], [5, 11, 16]]
_TITLES = [[5, 6], [5], [5, 6, 7, 8], [20], [5, 6], [9, 3, 3]]


class _DecoderOnly:
  """A small random model, its prompts, and a full pass over one sequence."""

  def __init__(self):
    self.model = DecoderOnlyModel(TransformerConfig(num_layers=2, **_SIZES))
    shape = jax.ShapeDtypeStruct((2, 9), jnp.int32)
    params = self.model.init(
        jax.random.key(0), {'decoder_input_tokens': shape}
    )['params']
    self.params = jax.tree.map(lambda p: p * 2, params)
    self.batch = {
        'prompt_tokens': np.array(
            [[3, 10, 15, 4, 9, 14], [5, 11, 16, 0, 0, 0]]
        ),
        'prompt_lengths': np.array([6, 3]),
    }
    self._apply = jax.jit(
        lambda inputs, targets: self.model.network.apply(
            {'params': self.params}, inputs, targets, enable_dropout=False
        )
    )

  def logits(self, prompt, tokens):
    """Logits of each of `tokens`, [length, vocab]."""
    # One length, so that one program is compiled; padding comes last.
    targets = np.zeros((1, 12), np.int32)
    targets[0, : len(prompt) + len(tokens)] = [*prompt, *tokens]
    inputs = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    logits = self._apply(inputs, targets)[0]
    return logits[len(prompt) : len(prompt) + len(tokens)]


class _EncoderDecoder:
  """The same with an encoder."""

  def __init__(self):
    self.model = EncoderDecoderModel(
        T5Config(num_encoder_layers=2, num_decoder_layers=2, **_SIZES)
    )
    inputs = np.array([[3, 10, 15, 4, 9, 14], [5, 11, 16, 0, 0, 0]])
    self.batch = {'encoder_input_tokens': inputs}
    shape = jax.ShapeDtypeStruct((2, 3), jnp.int32)
    params = self.model.init(
        jax.random.key(0), self.batch | {'decoder_input_tokens': shape}
    )['params']
    self.params = jax.tree.map(lambda p: p * 2, params)
    self._apply = jax.jit(
        lambda encoder_inputs, inputs, targets: self.model.network.apply(
            {'params': self.params},
            encoder_inputs,
            inputs,
            targets,
            enable_dropout=False,
        )
    )

  def logits(self, prompt, tokens):
    """Logits of each of `tokens`, [length, vocab]."""
    encoder_inputs, targets = np.zeros((2, 1, 6), np.int32)
    encoder_inputs[0, : len(prompt)] = prompt
    targets[0, : len(tokens)] = tokens
    inputs = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    return self._apply(encoder_inputs, inputs, targets)[0, : len(tokens)]


@pytest.fixture(scope='module', params=[_DecoderOnly, _EncoderDecoder])
def case(request):
  return request.param()


def _full_scores(case, sequences):
  """Scores every sequence after every prompt, float [users, sequences]."""
  scores = np.zeros((len(_PROMPTS), len(sequences)))
  for user, prompt in enumerate(_PROMPTS):
    for n, tokens in enumerate(sequences):
      log_probs = jax.nn.log_softmax(case.logits(prompt, tokens))
      scores[user, n] = np.asarray(log_probs)[range(len(tokens)), tokens].sum()
  assert np.ptp(scores) > 1
  return scores


def _padded(sequences, fill=0):
  length = max(map(len, sequences))
  tokens = np.full((len(sequences), length), fill, np.int32)
  mask = np.zeros(tokens.shape, bool)
  for row, tokens_of_row in enumerate(sequences):
    tokens[row, : len(tokens_of_row)] = tokens_of_row
    mask[row, : len(tokens_of_row)] = True
  return tokens, mask


def test_titles_come_by_their_likelihood_under_a_full_pass(case):
  scores = _full_scores(case, [[*title, _EOS] for title in _TITLES])
  trie = build_title_trie(_TITLES, eos_id=_EOS)
  excluded = np.array([[3], [-1]], np.int32)
  result = jax.jit(
      lambda params, batch, trie: recommend_titles(
          case.model, params, batch, trie, 6, excluded
      )
  )(case.params, case.batch, trie)
  scores[0, 3] = -np.inf
  for user, found in enumerate(np.asarray(result.item_ids)):
    valid = np.asarray(result.valid[user])
    assert sorted(found[valid]) == np.flatnonzero(scores[user] > -99).tolist()
    np.testing.assert_allclose(
        result.scores[user], np.sort(scores[user])[::-1], atol=1e-4
    )
    np.testing.assert_allclose(
        np.asarray(result.scores[user])[valid],
        scores[user, found[valid]],
        atol=1e-4,
    )
    shared = np.asarray(result.num_sharing[user])[valid]
    assert (shared == np.where(np.isin(found[valid], (0, 4)), 2, 1)).all()


@pytest.mark.parametrize('fill', [0, 23, -7])
def test_candidates_score_as_one_by_one_whatever_the_padding(case, fill):
  lists = [
      [[3, 9, 14], [5], [3, 9], [20, 20, 20, 20], []],
      [[7, 8], [3, 9, 14], [23], [1], [4, 1]],
  ]
  tokens, mask = zip(
      *(_padded([*x, [2] * 4], fill) for x in lists), strict=True
  )
  tokens, mask = np.stack(tokens)[:, :5], np.stack(mask)[:, :5]

  @jax.jit
  def score(params, batch, tokens, mask):
    prompt = case.model.prefill(params, batch)
    return score_candidates(case.model, params, prompt, tokens, mask)

  found = np.asarray(score(case.params, case.batch, tokens, mask))
  for user, candidates in enumerate(lists):
    expected = _full_scores(case, candidates)[user]
    for n, candidate in enumerate(candidates):
      if candidate:
        assert found[user, n] == pytest.approx(expected[n], abs=1e-4)
      else:
        assert np.isneginf(found[user, n])


def test_answers_have_the_probabilities_of_a_full_pass(case):
  sequences = ((5,), (6, 7, 8), (6, 9), (20,))
  scores = _full_scores(case, sequences)
  expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

  @jax.jit
  def probabilities(params, batch):
    prompt = case.model.prefill(params, batch)
    return answers.answer_probabilities(
        case.model, params, prompt, answers.Answers(sequences)
    )

  found = probabilities(case.params, case.batch)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  ratings = [1, 2, 4, 5]
  np.testing.assert_allclose(
      answers.expected_value(found, ratings), expected @ ratings, atol=1e-4
  )


@pytest.mark.parametrize(
    ('sequences', 'match'),
    [
        ((), 'no answer'),
        (((),), 'is empty'),
        (((5,), (5, 0)), 'beginning of answer 1'),
        (((5, 6), (7,), (5, 6)), 'beginning of answer 2'),
    ],
)
def test_answers_refuse_what_has_no_probability_of_its_own(sequences, match):
  with pytest.raises(ValueError, match=match):
    answers.Answers(sequences)


def test_expected_value_refuses_another_number_of_values():
  with pytest.raises(ValueError, match='2 answers have 3 values'):
    answers.expected_value(jnp.ones((1, 2)), [1, 2, 3])


@pytest.mark.parametrize(
    ('shape', 'mask_shape'),
    [
        ((2, 3), (2, 3)),
        ((2, 3, 0), (2, 3, 0)),
        ((2, 3, 2), (2, 3, 1)),
        ((3, 1, 1), (3, 1, 1)),
    ],
)
def test_candidates_of_wrong_shapes_are_refused(shape, mask_shape):
  class TwoPrompts:

    def continuation(self, params, prompt):
      return generation.Continuation(prompt, None, None)

  with pytest.raises(ValueError, match='candidates'):
    score_candidates(
        TwoPrompts(),
        None,
        jnp.zeros((2, 1, 24)),
        jnp.zeros(shape, jnp.int32),
        jnp.ones(mask_shape, bool),
    )
