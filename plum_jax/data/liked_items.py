# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pointwise ranking in natural language: would a user like an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.negative_items import NegativeItems
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import not_a_number
from plum_jax.data.worded_setting import WordedSetting

ITEM = 'item'
NO, YES = 0, 1
WORDS = ('no', 'yes')


class LikedItem(WordedTask):
  """The next item, or one that the user does not have: yes or no.

  Validation and test ask about the target alone, to which the answer is yes;
  the probability of `yes` is the item's score.
  """

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      *,
      negatives_per_item: int,
      negatives: NegativeItems,
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the places `history` and `item`.
      negatives_per_item: how many items with the answer `no` come to one with
        `yes`.
      negatives: draws them.

    Raises:
      InputError: an option or a phrasing cannot be used.
    """
    if negatives_per_item < 1:
      raise not_a_number('negatives_per_item', negatives_per_item, '1 or more')
    words = [items.encoder.words(word) for word in WORDS]
    answers = TextTokens(
        np.concatenate(words),
        np.cumsum([0, *map(len, words)]),
        ' '.join(WORDS),
    )
    mentions = items.mentions(
        setting.show, setting.item_fields, setting.max_field_tokens
    )
    longest = int(mentions.lengths.max(initial=0))
    super().__init__(setting, items, [variants], answers, {ITEM: longest})
    self.negatives_per_item = negatives_per_item
    self.negatives = negatives

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    return super().describe() | {
        'negatives_per_item': self.negatives_per_item,
        'negatives': self.negatives.describe(),
    }

  def has_answer(
      self, record: Mapping[str, tf.Tensor], stops: tf.Tensor
  ) -> tf.Tensor:
    """See `WordedTask.has_answer`: to yes or no there always is one."""
    del record
    return tf.ones_like(stops, tf.bool)

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`."""
    label_seed, negative_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2)
    )
    stops = self.positions(record, label_seed)
    items = self.items(record)
    targets = tf.gather(record_targets.item_ids_with_target(record), stops)
    drawn, any_left = self.negatives.draw(
        record['item_ids'],
        [tf.size(stops), self.negatives_per_item],
        negative_seed,
    )
    num_negatives = tf.where(
        any_left & ~record_targets.has_target(record),
        self.negatives_per_item,
        0,
    )
    asked = tf.concat([targets[:, None], drawn[:, :num_negatives]], 1)
    stops = tf.repeat(stops, 1 + num_negatives)
    is_own = tf.fill(tf.shape(asked), NO)
    is_own = tf.reshape(
        tf.concat([tf.ones_like(targets)[:, None] * YES, is_own[:, 1:]], 1),
        [-1],
    )
    asked = tf.reshape(asked, [-1])
    places = {ITEM: tf.gather(self.mentions, asked)}
    first = self.first(items, stops, places, lengths.inputs)
    places[HISTORY] = history_slices.slices(items, first, stops)
    return Samples(stops, places, tf.gather(self.answers, is_own), asked, first)
