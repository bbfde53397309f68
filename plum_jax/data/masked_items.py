# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked item modelling in natural language: which item is left out.

BERT4Rec's operation (arXiv 1904.06690) as an auxiliary task of "Aligning LLMs
with Recommendation Knowledge" (arXiv 2404.00245): unlike in retrieval, what
comes after the item is there to tell, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data import worded_examples
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import WordedSetting


class MaskedItem(WordedTask):
  """A stretch of a training window, one item of which is masked.

  The stretch ends at a drawn position and holds the items that fit; which one
  of them is masked is drawn evenly.
  """

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      *,
      answer: str,
      mask: Sequence[int],
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the place `history`.
      answer: what is asked for: `sid`, `title` or `both`.
      mask: tokens in the place of the item.

    Raises:
      InputError: an option or a phrasing cannot be used.
    """
    super().__init__(
        setting,
        items,
        [variants],
        items.answers(answer, setting.max_field_tokens),
        {},
        min_items=2,  # The masked one, and one beside it.
    )
    # Beside all items, so that any of them can be masked.
    self.prompt_extra = len(mask)
    self.mask = np.asarray(mask, np.int32)

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    return super().describe() | {'mask': self.mask.tolist()}

  def has_answer(
      self, record: Mapping[str, tf.Tensor], stops: tf.Tensor
  ) -> tf.Tensor:
    """See `WordedTask.has_answer`: it depends on what will be masked."""
    del record
    return tf.ones_like(stops, tf.bool)

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`."""
    label_seed, mask_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2)
    )
    # The item at a label's position is the last of its stretch.
    stops = self.positions(record, label_seed) + 1
    items = self.items(record)
    item_ids = record_targets.item_ids_with_target(record)
    words = worded_examples.ragged(
        tf.tile(self.mask[None, :], [tf.size(stops), 1])
    )
    first = self.first(items, stops, {}, lengths.inputs)
    drawn = tf.random.stateless_uniform(tf.shape(stops), mask_seed)
    count = stops - first
    offset = tf.cast(drawn * tf.cast(count, tf.float32), tf.int32)
    masked = first + tf.minimum(offset, count - 1)
    keep = tf.gather(
        self.answers.row_lengths() > 0, tf.gather(item_ids, masked)
    )
    keep &= count > 1
    stops, first, masked, words = (
        tf.boolean_mask(stops, keep),
        tf.boolean_mask(first, keep),
        tf.boolean_mask(masked, keep),
        tf.ragged.boolean_mask(words, keep),
    )
    answers = tf.gather(item_ids, masked)
    history = tf.concat(
        [
            history_slices.slices(items, first, masked),
            words,
            history_slices.slices(items, masked + 1, stops),
        ],
        1,
    )
    return Samples(
        stops,
        {HISTORY: history},
        tf.gather(self.answers, answers),
        answers,
        first,
    )
