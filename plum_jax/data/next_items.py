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


class NextItems(WordedTask):
  """Items of a training window are asked for, given those before them.

  An encoder-decoder learns one item from a prompt of some hundred tokens. Asked
  for the items after it too, one after another, it learns of all of them at the
  cost of one; there is one target in validation and test.
  """

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      answer: str,
      items_per_sample: int,
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the place `history`.
      answer: what is asked for: `sid`, `title` or `both`.
      items_per_sample: the most items of a training window that a sample asks
        for; no more than the targets have room for.

    Raises:
      InputError: a phrasing or the answer cannot be used.
    """
    answers = items.answers(answer, setting.max_field_tokens)
    super().__init__(setting, items, [variants], answers, {})
    self._items_per_sample = items_per_sample

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    return super().describe() | history_slices.described(self._items_per_sample)

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`."""
    stops = self.positions(record, seed)
    items = self.items(record)
    first = self.first(items, stops, {}, lengths.inputs)
    item_ids = record_targets.item_ids_with_target(record)
    answers = tf.gather(self.answers, item_ids)
    return Samples(
        stops,
        {HISTORY: history_slices.slices(items, first, stops)},
        history_slices.following(
            answers, stops, self.room(self._items_per_sample, lengths)
        ),
        tf.gather(item_ids, stops),
        first,
    )
