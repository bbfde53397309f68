# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ranking in natural language: which of some candidates a user chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data.evaluated_candidates import EvaluatedCandidates
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.negative_items import NegativeItems
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import not_a_number
from plum_jax.data.worded_setting import WordedSetting

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
CANDIDATES = 'candidates'
# Groups of phrasings.
WITHOUT_LIST, WITH_LIST = 0, 1


class ChosenCandidate(WordedTask):
  """A history and candidates in any order: which one comes next.

  A share of the training samples, and by default all of validation and test,
  name no candidates: a model that scores each of a hundred candidates given one
  encoded prompt needs none there.
  """

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      groups: Sequence[Sequence[str]],
      *,
      answer: str,
      candidates_show: str,
      num_candidates: int,
      list_rate: float,
      negatives: NegativeItems,
      evaluated: EvaluatedCandidates | None = None,
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      groups: phrasings with the place `history` alone, and those with
        `candidates` too.
      answer: what is asked for: `sid`, `title` or `both`.
      candidates_show: how candidates are mentioned: `sid`, `title` or `both`.
      num_candidates: candidates of a training sample, the true one included.
      list_rate: share of the training samples that name candidates.
      negatives: draws the others.
      evaluated: the candidates that validation and test name; None for none.

    Raises:
      InputError: an option or a phrasing cannot be used.
    """
    if num_candidates < 2:
      raise not_a_number('num_candidates', num_candidates, '2 or more')
    if not 0 <= list_rate <= 1:
      raise not_a_number('list_rate', list_rate, 'from 0 to 1')
    mentions = items.mentions(
        candidates_show, setting.item_fields, setting.max_field_tokens
    )
    most = num_candidates if list_rate else 0
    if evaluated is not None:
      most = max(most, evaluated.num_candidates)
    longest = int(np.sort(mentions.lengths)[::-1][:most].sum())
    answers = items.answers(answer, setting.max_field_tokens)
    super().__init__(setting, items, groups, answers, {CANDIDATES: longest})
    self._options = {
        'num_candidates': num_candidates,
        'list_rate': list_rate,
        'candidates': mentions.describe(),
    }
    self.candidates = mentions.ragged()
    self.num_candidates = num_candidates
    self.list_rate = list_rate
    self.negatives = negatives
    self.evaluated = evaluated

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    made = super().describe() | self._options
    made['negatives'] = self.negatives.describe()
    if self.evaluated is not None:
      made['evaluated'] = self.evaluated.describe()
    return made

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`."""
    label_seed, list_seed, negative_seed, order_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 4)
    )
    stops = self.positions(record, label_seed)
    items = self.items(record)
    targets = tf.gather(record_targets.item_ids_with_target(record), stops)
    candidates = tf.cond(
        record_targets.has_target(record),
        lambda: self._evaluated(record),
        lambda: self._drawn(
            record, targets, list_seed, negative_seed, order_seed
        ),
    )
    tokens = tf.gather(self.candidates, candidates.values)
    places = {
        CANDIDATES: _RaggedTensor.from_row_splits(
            tokens, candidates.row_splits, validate=False
        ).merge_dims(1, 2)
    }
    group = tf.where(
        candidates.row_lengths() > 0,
        tf.ones_like(stops) * WITH_LIST,
        WITHOUT_LIST,
    )
    first = self.first(items, stops, places, lengths.inputs, group)
    places[HISTORY] = history_slices.slices(items, first, stops)
    return Samples(
        stops, places, tf.gather(self.answers, targets), targets, first, group
    )

  def _evaluated(self, record: Mapping[str, tf.Tensor]) -> Any:
    """Returns the candidates of a target, int32 [1, (candidates)]."""
    found = tf.zeros([1, 0], tf.int32)
    if self.evaluated is not None:
      found = self.evaluated.of(record)[None, :]
    return _RaggedTensor.from_tensor(found, row_splits_dtype=tf.int64)

  def _drawn(
      self,
      record: Mapping[str, tf.Tensor],
      targets: tf.Tensor,
      list_seed: tf.Tensor,
      negative_seed: tf.Tensor,
      order_seed: tf.Tensor,
  ) -> Any:
    """Draws candidates of training samples, in a drawn order.

    A sample names none if it is not one of the share that does, or if its user
    has been through all items, so that there is nothing to choose between.

    Returns:
      int32 [m, (candidates)].
    """
    others = self.negatives.draw_distinct(
        record['item_ids'],
        tf.size(targets),
        self.num_candidates - 1,
        negative_seed,
    )
    uniform = tf.random.stateless_uniform(tf.shape(targets), list_seed)
    is_listed = (uniform < self.list_rate) & (others.row_lengths() > 0)
    own = _RaggedTensor.from_tensor(targets[:, None], row_splits_dtype=tf.int64)
    candidates = tf.concat([own, others], 1)
    row = candidates.value_rowids()
    # Sorted by row, and by what is drawn within it.
    drawn = tf.random.stateless_uniform(
        tf.shape(row), order_seed, 0, 2**31, tf.int64
    )
    mixed = tf.gather(candidates.values, tf.argsort(row * 2**31 + drawn))
    keep = tf.gather(is_listed, row)
    return _RaggedTensor.from_value_rowids(
        tf.boolean_mask(mixed, keep),
        tf.boolean_mask(row, keep),
        nrows=tf.size(targets, tf.int64),
        validate=False,
    )


def check_phrasings(texts: Sequence[str], listed: Sequence[str]) -> None:
  """Refuses phrasings that lack, or should not have, the candidates.

  Raises:
    InputError: there is one.
  """
  for text, expected in (
      *((text, False) for text in texts),
      *((text, True) for text in listed),
  ):
    if (f'{{{CANDIDATES}}}' in text) is not expected:
      raise InputError(
          'The phrasing is among those of the other kind.',
          where=repr(text),
          expected='{candidates} in list_variants, and not in variants',
          fix='Move it to the other option.',
      )
