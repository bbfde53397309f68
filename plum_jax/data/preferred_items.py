# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""BPR in natural language: which of two items a user prefers.

Bayesian personalised ranking (arXiv 1205.2618) learns that a user prefers an
item that they chose to one that they did not; as text it is an auxiliary task
of "Aligning LLMs with Recommendation Knowledge" (arXiv 2404.00245).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.negative_items import NegativeItems
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import WordedSetting

FIRST, SECOND = 'first', 'second'


class PreferredItem(WordedTask):
  """A history, its next item and one that the user does not have."""

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      *,
      answer: str,
      negatives: NegativeItems,
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the places `history`, `first` and `second`.
      answer: how the preferred item is given: `sid`, `title` or `both`.
      negatives: draws the other item.

    Raises:
      InputError: an option or a phrasing cannot be used.
    """
    mentions = items.mentions(
        setting.show, setting.item_fields, setting.max_field_tokens
    )
    longest = int(mentions.lengths.max(initial=0))
    super().__init__(
        setting,
        items,
        [variants],
        items.answers(answer, setting.max_field_tokens),
        {FIRST: longest, SECOND: longest},
    )
    self.negatives = negatives

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    return super().describe() | {'negatives': self.negatives.describe()}

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`; no samples of a user who has all items."""
    label_seed, negative_seed, order_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    stops = self.positions(record, label_seed)
    item_ids = record_targets.item_ids_with_target(record)
    others, any_left = self.negatives.draw(
        item_ids, [tf.size(stops)], negative_seed
    )
    stops = stops[: tf.where(any_left, tf.size(stops), 0)]
    others = others[: tf.size(stops)]
    items = self.items(record)
    own = tf.gather(item_ids, stops)
    is_first = tf.random.stateless_uniform(tf.shape(own), order_seed) < 0.5
    places = {
        FIRST: tf.gather(self.mentions, tf.where(is_first, own, others)),
        SECOND: tf.gather(self.mentions, tf.where(is_first, others, own)),
    }
    first = self.first(items, stops, places, lengths.inputs)
    places[HISTORY] = history_slices.slices(items, first, stops)
    return Samples(stops, places, tf.gather(self.answers, own), own, first)
