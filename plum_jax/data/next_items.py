# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Retrieval in natural language: a history, then which item comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
