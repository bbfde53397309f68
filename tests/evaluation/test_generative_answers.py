# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator's scores, ratings and titles, each against the plain network."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding.title_trie import build_title_trie
from plum_jax.evaluation.generative_answers import GenerativeRatingPredictor
from plum_jax.evaluation.generative_answers import GenerativeScorer
from plum_jax.evaluation.generative_answers import PointwiseScorer
from plum_jax.evaluation.generative_titles import TitleRecommender
from plum_jax.models.answers import Answers
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.sharding.mesh import make_mesh

_EOS = 1
# Items 1 and 4 share a title.
_TITLES = [(7, 8), (9,), (7,), (10, 8, 9), (9,)]
_MODEL = DecoderOnlyModel(
    TransformerConfig(
        vocab_size=16,
        emb_dim=8,
        num_heads=2,
        head_dim=4,
        mlp_dim=8,
        num_layers=1,
    )
)


@pytest.fixture(scope='module')
def params():
  shape = jax.ShapeDtypeStruct((1, 4), jnp.int32)
  params = _MODEL.init(jax.random.key(0), {'decoder_input_tokens': shape})[
      'params'
  ]
  # So that probabilities differ.
  return jax.tree.map(lambda leaf: leaf * 3, params)


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  return {
      'user': np.arange(8, dtype=np.int32),
      'history_item_ids': np.array([[-1, n % 5] for n in range(8)], np.int32),
      'prompt_tokens': rng.integers(2, 16, (8, 4)).astype(np.int32),
      'prompt_lengths': rng.integers(1, 5, 8).astype(np.int32),
  }


def _log_prob(params, batch, row, tokens):
  """Runs prompt and tokens through the network as in training."""
  prompt = batch['prompt_tokens'][row, : batch['prompt_lengths'][row]].tolist()
  # One length, and one program; what comes later changes nothing before it.
  sequence = np.zeros((1, 9), np.int32)
  whole = [0, *prompt, *tokens[:-1]]
  sequence[0, : len(whole)] = whole
  logits = _logits(params, sequence)[0]
  log_probs = np.asarray(jax.nn.log_softmax(logits), np.float64)
  return sum(
      log_probs[len(prompt) + n, token] for n, token in enumerate(tokens)
  )


@jax.jit
def _logits(params, sequence):
  return _MODEL.network.apply(
      {'params': params},
      sequence,
      jnp.ones_like(sequence),
      enable_dropout=False,
  )


@pytest.mark.parametrize('on_mesh', [False, True])
def test_scores_are_the_log_probabilities_of_the_candidates(
    params, batch, on_mesh
):
  tokens = np.zeros((5, 4), np.int32)
  mask = np.zeros((5, 4), bool)
  for item, title in enumerate(_TITLES):
    tokens[item, : len(title) + 1] = [*title, _EOS]
    mask[item, : len(title) + 1] = True
  mesh = make_mesh() if on_mesh else None
  scorer = GenerativeScorer(_MODEL, params, tokens, mask, mesh=mesh)
  candidates = np.random.default_rng(1).integers(0, 5, (8, 3)).astype(np.int32)
  scores = scorer.score(batch, candidates)
  if on_mesh:
    assert len(scores.sharding.device_set) == 8
  for row, column in itertools.product(range(8), range(3)):
    title = [*_TITLES[candidates[row, column]], _EOS]
    expected = _log_prob(params, batch, row, title)
    assert float(scores[row, column]) == pytest.approx(expected, rel=1e-4)


def test_pointwise_scores_are_those_of_yes_against_no(params, batch):
  yes, no = (5, _EOS), (5, 6)
  prompts = {
      name: np.stack([batch[name], np.roll(batch[name], 1, axis=0)], axis=1)
      for name in ('prompt_tokens', 'prompt_lengths')
  }
  candidates = np.zeros((8, 2), np.int32)
  scorer = PointwiseScorer(_MODEL, params, yes, no)
  scores = scorer.score(prompts, candidates)
  for row in range(8):
    for column in range(2):
      source = (row - column) % 8
      chosen, other = (
          _log_prob(params, batch, source, answer) for answer in (yes, no)
      )
      expected = 1 / (1 + np.exp(other - chosen))
      assert float(scores[row, column]) == pytest.approx(expected, rel=1e-4)
  with pytest.raises(ValueError, match='not prompts for candidates'):
    scorer.score(prompts, candidates[:, :1])


def test_ratings_are_means_by_the_probabilities_of_the_answers(params, batch):
  answers = ((5, _EOS), (6, _EOS), (6, 7))
  predictor = GenerativeRatingPredictor(
      _MODEL, params, Answers(answers), (1.0, 2.0, 5.0)
  )
  found = predictor.predict(batch)
  for row in range(8):
    weights = np.exp([_log_prob(params, batch, row, x) for x in answers])
    expected = weights @ [1.0, 2.0, 5.0] / weights.sum()
    assert float(found[row]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('on_mesh', [False, True])
def test_titles_come_by_probability_and_shared_ones_bring_all_their_items(
    params, batch, on_mesh
):
  mesh = make_mesh() if on_mesh else None
  trie = build_title_trie(_TITLES, eos_id=_EOS)
  recommender = TitleRecommender(_MODEL, params, trie, beam_size=5, mesh=mesh)
  kept = recommender.recommend(batch, 5, exclude_history=False)
  masked = recommender.recommend(batch, 5, exclude_history=True)
  for row in range(8):
    scores = {
        item: _log_prob(params, batch, row, [*title, _EOS])
        for item, title in enumerate(_TITLES)
    }
    # A stable sort leaves items of one title in the order of their numbers.
    order = sorted(scores, key=lambda item: -scores[item])
    assert np.asarray(kept.item_ids)[row].tolist() == order
    np.testing.assert_allclose(
        np.asarray(kept.scores)[row], [scores[x] for x in order], rtol=1e-4
    )
    seen = batch['history_item_ids'][row, 1]
    left = [item for item in order if item != seen]
    assert np.asarray(masked.item_ids)[row].tolist() == [*left, -1]
