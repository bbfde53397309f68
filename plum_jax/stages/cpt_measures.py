# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator asked as a language model: figures of the stage cpt_report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.artifacts.progress import Progress
from plum_jax.data.sentence_arrays import Sequences
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.evaluation import language
from plum_jax.models import losses
from plum_jax.models import text_generation
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

_BATCH_SIZE = 32
_TOP = 10
_MAX_ANSWER_TOKENS = 32


def metric_name(task: str, split: str) -> str:
  """Returns the first part of a sentence task's metrics.

  >>> metric_name('plum_ml100k_cpt_text_to_sid_title', 'validation')
  'cpt/text_to_sid_title/validation'
  """
  return f'cpt/{task.partition("_cpt_")[2] or task}/{split}'


class Measures:
  """Asks one generator."""

  def __init__(
      self,
      model: DecoderOnlyModel,
      params: Any,
      vocabulary: SemanticIdVocabulary,
      index: ConstraintIndex,
      beam_size: int,
  ):
    """Prepares programs; nothing is compiled yet.

    Args:
      model: the generator.
      params: its parameters.
      vocabulary: of its tokens.
      index: the valid SIDs.
      beam_size: beams of the search for items.
    """
    self._vocabulary = vocabulary
    self._params = jax.device_put(params)
    self._index = index
    end_id = vocabulary.eos_id
    assert end_id is not None
    self._end_id = end_id

    def score(params, tokens):
      inputs = jnp.pad(tokens, ((0, 0), (1, 0)))[:, :-1]
      logits = model.network.apply(
          {'params': params}, inputs, tokens, enable_dropout=False
      )
      return losses.token_cross_entropy(cast(jax.Array, logits), tokens)[0]

    def search(params, batch, index):
      width = max(beam_size, _TOP)
      return model.recommend(params, batch, index, width).item_ids[:, :_TOP]

    self._score = jax.jit(score)
    self._search = jax.jit(search)
    self._greedy = jax.jit(
        lambda params, batch: text_generation.greedy(
            model, params, batch, _MAX_ANSWER_TOKENS, end_id
        )
    )

  def _losses(self, tokens: np.ndarray) -> np.ndarray:
    return np.asarray(self._score(self._params, tokens))

  def sid_perplexity(self, sequences: Sequences) -> dict[str, float]:
    """Returns the perplexity of targets' SID tokens, by level and over all."""
    sid_tokens = self._vocabulary.sid_tokens
    levels = sid_tokens.level_of(np.arange(sid_tokens.padded_vocab_size))
    found = language.perplexities(
        self._losses,
        sequences.tokens,
        sequences.prompt_lengths,
        levels,
        _BATCH_SIZE,
    )
    return {
        f'cpt/sid_perplexity/level_{level}': value
        for level, (value, _) in found.items()
        if level
    }

  def text_perplexity(self, sequences: Sequences) -> dict[str, float]:
    """Returns the perplexity of general text."""
    groups = np.zeros(self._vocabulary.padded_vocab_size, np.int32)
    first = np.zeros(len(sequences), np.int32)
    found = language.perplexities(
        self._losses, sequences.tokens, first, groups, _BATCH_SIZE
    )
    return {'cpt/text_perplexity': found[0][0]}

  def answers(
      self, sequences: Sequences, name: str, embeddings: Any
  ) -> dict[str, float]:
    """Measures the answers of a sentence task.

    Args:
      sequences: sentences with an answer.
      name: the first part of the metrics' names.
      embeddings: rows [dim] of items, to compare found items with; or None.

    Returns:
      `perplexity` of the answers; where they are items, of the ten found
      `hit@10` and `cosine@10`, the mean cosine of the others with the right
      item, beside that of its ten nearest neighbours, `neighbour_cosine@10`,
      and of all items, `random_cosine`; where they are texts, `exact_match` and
      `word_f1`.
    """
    groups = np.zeros(self._vocabulary.padded_vocab_size, np.int32)
    found = language.perplexities(
        self._losses,
        sequences.tokens,
        sequences.prompt_lengths,
        groups,
        _BATCH_SIZE,
    )
    figures = {'perplexity': found[0][0]}
    figures |= (
        self._found_items(sequences, embeddings, name)
        if self._answers_are_items(sequences)
        else self._found_texts(sequences, name)
    )
    return {f'{name}/{key}': value for key, value in figures.items()}

  def completions(
      self,
      task: str,
      examples: Sequences,
      asked: Sequences,
      num_shots: int,
      number: int,
  ) -> list[dict[str, str]]:
    """Completes sentences after others that are complete.

    Args:
      task: for the record.
      examples: sentences to show before each.
      asked: sentences to complete.
      num_shots: how many to show.
      number: how many to complete.

    Returns:
      `task`, `prompt`, `completion` and `answer` of each.
    """
    if self._answers_are_items(asked):
      return []
    shots = [
        examples.tokens[row, : examples.lengths[row]]
        for row in range(min(num_shots, len(examples)))
    ]
    prompts, answers = [], []
    for row in range(min(number, len(asked))):
      length = asked.prompt_lengths[row]
      prompts.append(np.concatenate([*shots, asked.tokens[row, :length]]))
      answers.append(asked.tokens[row, length : asked.lengths[row] - 1])
    lengths = np.array([len(prompt) for prompt in prompts], np.int32)
    tokens = np.zeros((len(prompts), lengths.max()), np.int32)
    for row, prompt in enumerate(prompts):
      tokens[row, : len(prompt)] = prompt
    found = self._greedy(
        self._params, {'prompt_tokens': tokens, 'prompt_lengths': lengths}
    )
    return [
        {
            'task': task,
            'prompt': self._text(prompts[row]),
            'completion': self._text(np.asarray(found[row])),
            'answer': self._text(answers[row]),
        }
        for row in range(len(prompts))
    ]

  def _answers_are_items(self, sequences: Sequences) -> bool:
    first = sequences.tokens[0, sequences.prompt_lengths[0]]
    return bool(self._vocabulary.sid_tokens.level_of(first))

  def _prompt(self, sequences: Sequences, rows: np.ndarray) -> Mapping:
    lengths = sequences.prompt_lengths[rows]
    tokens = sequences.tokens[rows]
    inside = np.arange(tokens.shape[1])[None, :] < lengths[:, None]
    return {
        'prompt_tokens': np.where(inside, tokens, 0),
        'prompt_lengths': lengths,
    }

  def _found_items(
      self, sequences: Sequences, embeddings: Any, name: str
  ) -> dict[str, float]:
    item_ids = self._each_batch(
        sequences,
        lambda batch: self._search(self._params, batch, self._index),
        name,
    )
    right = sequences.items
    figures = {
        'hit@10': float(np.any(item_ids == right[:, None], axis=1).mean()),
    }
    if embeddings is not None:
      figures |= _cosines(embeddings, item_ids, right)
    return figures

  def _found_texts(self, sequences: Sequences, name: str) -> dict[str, float]:
    tokens = self._each_batch(
        sequences, lambda batch: self._greedy(self._params, batch), name
    )
    found = [self._text(row) for row in tokens]
    wanted = [
        self._text(row[start : stop - 1])
        for row, start, stop in zip(
            sequences.tokens,
            sequences.prompt_lengths,
            sequences.lengths,
            strict=True,
        )
    ]
    return {
        'exact_match': language.exact_match(found, wanted),
        'word_f1': language.word_f1(found, wanted),
    }

  def _each_batch(self, sequences: Sequences, ask: Any, name: str) -> Any:
    report = Progress(name, len(sequences), 'sentences')
    parts = []
    for rows in language.batches(len(sequences), _BATCH_SIZE):
      parts.append(np.asarray(ask(self._prompt(sequences, rows))))
      report.update(int(rows[-1]) + 1)
    return np.concatenate(parts)[: len(sequences)]

  def _text(self, tokens: np.ndarray) -> str:
    """Returns tokens as text, sentences apart by a slash."""
    ends = np.flatnonzero(np.asarray(tokens) == self._end_id)
    sentences = [
        self._vocabulary.decode(
            [int(t) for t in part if t not in (0, self._end_id)]
        )
        for part in np.split(np.asarray(tokens), ends)
    ]
    return ' / '.join(sentence for sentence in sentences if sentence)


def _cosines(
    embeddings: Any, item_ids: np.ndarray, right: np.ndarray
) -> dict[str, float]:
  """Compares found items with the right ones, beside its neighbours."""
  vectors = np.array(embeddings[:], np.float32)
  norms = np.linalg.norm(vectors, axis=1, keepdims=True)
  vectors /= np.maximum(norms, 1e-12)
  cosines = vectors[right] @ vectors.T
  rows = np.arange(len(right))
  found = np.take_along_axis(cosines, np.maximum(item_ids, 0), axis=1)
  is_other = (item_ids != right[:, None]) & (item_ids >= 0)
  cosines[rows, right] = -np.inf
  nearest = -np.partition(-cosines, _TOP, axis=1)[:, :_TOP]
  cosines[rows, right] = 0.0
  return {
      'cosine@10': float(found[is_other].mean()),
      'neighbour_cosine@10': float(nearest.mean()),
      'random_cosine': float(cosines.sum() / (cosines.size - len(right))),
  }
