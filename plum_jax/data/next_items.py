# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Retrieval in natural language: a history, then which items come next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import WordedSetting


class NextItem(WordedTask):
  """Items of a training window are asked for, given those before them."""

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      answer: str,
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the place `history`.
      answer: what is asked for: `sid`, `title` or `both`.

    Raises:
      InputError: a phrasing or the answer cannot be used.
    """
    answers = items.answers(answer, setting.max_field_tokens)
    super().__init__(setting, items, [variants], answers, {})

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`."""
    stops = self.positions(record, seed)
    items = self.items(record)
    first = self.first(items, stops, {}, lengths.inputs)
    targets = tf.gather(record_targets.item_ids_with_target(record), stops)
    return Samples(
        stops,
        {HISTORY: history_slices.slices(items, first, stops)},
        tf.gather(self.answers, targets),
        targets,
        first,
    )


class NextItems(WordedTask):
  """Several items after a history are asked for at once, by Semantic ID.

  An encoder-decoder learns one item from a prompt of some hundred tokens; this
  way it learns as many as the targets have room for, at the same cost.
  """

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      max_next_items: int,
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the place `history`.
      max_next_items: the most items that are asked for.

    Raises:
      InputError: a phrasing cannot be used.
    """
    super().__init__(setting, items, [variants], items.sids, {})
    self._max_next_items = max_next_items
    self.longest_answer *= max_next_items

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    return super().describe() | {'max_next_items': self._max_next_items}

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`; the target item is the first one."""
    stops = self.positions(record, seed)
    items = self.items(record)
    first = self.first(items, stops, {}, lengths.inputs)
    item_ids = record_targets.item_ids_with_target(record)
    ends = tf.minimum(stops + self._max_next_items, tf.size(item_ids))
    return Samples(
        stops,
        {HISTORY: history_slices.slices(items, first, stops)},
        history_slices.slices(tf.gather(self.answers, item_ids), stops, ends),
        tf.gather(item_ids, stops),
        first,
    )
