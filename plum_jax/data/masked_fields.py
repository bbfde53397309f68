# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling over the text of a history, whole fields at a time.

    Fill in: <sid_1_3><sid_2_7> <extra_id_0> <extra_id_1> GoldenEye
    <extra_id_0> Toy Story <extra_id_1> <sid_1_1><sid_2_4></s>

T5's span corruption (arXiv 1910.10683, section 3.1.4) as an auxiliary task of
"Aligning LLMs with Recommendation Knowledge" (arXiv 2404.00245), which masks
text of a user's past interactions. That spans are whole Semantic IDs, whole
titles and other whole fields is our choice: a part of a Semantic ID would be
told by its other part, and so would a title's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.data import item_mentions
from plum_jax.data import item_text_tokens
from plum_jax.data import record_targets
from plum_jax.data import worded_examples
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import not_a_number
from plum_jax.data.worded_setting import WordedSetting

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
_RANDOM_BITS = 31


class MaskedFields(WordedTask):
  """A stretch of a training window with some of its fields masked.

  Fields are masked in a drawn order for as long as at most `noise_density` of
  the stretch's tokens are, rounded to the nearer field; one at least, and never
  all. As many are left out as sentinels or the target's length ask for.
  """

  # The sentinel before the one field that there always is.
  answer_extra = 1

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      *,
      noise_density: float,
      sentinels: Sequence[int],
  ):
    """Encodes the phrasings.

    Args:
      setting: of all tasks; `show` and `item_fields` say what is masked.
      items: of the run.
      variants: phrasings with the place `history`.
      noise_density: share of the tokens that is masked.
      sentinels: token ids, in the order of use.

    Raises:
      InputError: an option or a phrasing cannot be used.
    """
    if not 0 < noise_density < 1:
      raise not_a_number('noise_density', noise_density, 'between 0 and 1')
    fields = _fields(setting, items)
    super().__init__(
        setting,
        items,
        [variants],
        interleave(fields),
        {},
        mentions=item_text_tokens.join(fields),
    )
    self.num_fields = len(fields)
    self.noise_density = noise_density
    self.sentinels = np.asarray(sentinels, np.int32)

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    return super().describe() | {
        'noise_density': self.noise_density,
        'sentinels': self.sentinels.tolist(),
    }

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
    label_seed, field_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2)
    )
    # The item at a label's position is the last of its stretch.
    stops = self.positions(record, label_seed) + 1
    item_ids = record_targets.item_ids_with_target(record)
    first = self.first(self.items(record), stops, {}, lengths.inputs)
    # Rows of the table of fields: those of an item follow each other.
    stretch = tf.ragged.range(first * self.num_fields, stops * self.num_fields)
    of_record = tf.reshape(
        item_ids[:, None] * self.num_fields + tf.range(self.num_fields), [-1]
    )
    fields = tf.gather(self.answers, tf.gather(of_record, stretch.values))
    splits = tf.cast(stretch.row_splits, tf.int64)
    masked = self._masked(
        fields.row_lengths(), splits, field_seed, lengths.targets
    )
    inputs, answers = self._corrupt(fields, splits, masked)
    keep = answers.row_lengths() > 0
    stops = tf.boolean_mask(stops, keep)
    return Samples(
        stops,
        {HISTORY: tf.ragged.boolean_mask(inputs, keep)},
        tf.ragged.boolean_mask(answers, keep),
        tf.gather(item_ids, stops - 1),
        tf.boolean_mask(first, keep),
    )

  def _masked(
      self,
      sizes: tf.Tensor,
      splits: tf.Tensor,
      seed: tf.Tensor,
      target_length: int | None,
  ) -> tf.Tensor:
    """Chooses the fields that are masked.

    Args:
      sizes: int64 [n], tokens of each field, stretch after stretch.
      splits: int64 [m + 1], where each stretch begins.
      seed: int32 [2].
      target_length: the most tokens of a target; None for no limit.

    Returns:
      bool [n].
    """
    row = _RaggedTensor.from_row_splits(sizes, splits).value_rowids()
    drawn = tf.random.stateless_uniform(
        tf.shape(sizes), seed, 0, 2**_RANDOM_BITS, tf.int64
    )
    # Within each stretch in a drawn order, with fields that are empty last.
    drawn += tf.where(sizes > 0, tf.constant(0, tf.int64), 2**_RANDOM_BITS)
    order = tf.argsort(row * 2 ** (_RANDOM_BITS + 1) + drawn)
    row, sizes = tf.gather(row, order), tf.gather(sizes, order)
    begins = tf.gather(splits, row)
    before = tf.cumsum(sizes, exclusive=True)
    before -= tf.gather(before, begins)
    num_stretches = tf.size(splits) - 1
    total = tf.gather(tf.math.segment_sum(sizes, row), row)
    count = tf.math.unsorted_segment_sum(
        tf.cast(sizes > 0, tf.int64), row, num_stretches
    )
    rank = tf.range(tf.size(row, tf.int64)) - begins
    enough = self.noise_density * tf.cast(total, tf.float32)
    half = tf.cast(sizes, tf.float32) / 2
    chosen = (rank == 0) | (tf.cast(before, tf.float32) + half <= enough)
    chosen &= rank < tf.gather(count, row) - 1
    chosen &= rank < len(self.sentinels)
    if target_length is not None:
      # A sentinel before each field, and the end.
      chosen &= before + sizes + rank + 2 <= target_length
    return tf.scatter_nd(order[:, None], chosen, tf.shape(chosen, tf.int32))

  def _corrupt(
      self, fields: Any, splits: tf.Tensor, masked: tf.Tensor
  ) -> tuple[Any, Any]:
    """Puts sentinels in the place of masked fields, and says what they were.

    Args:
      fields: int32 [n, (tokens)].
      splits: int64 [m + 1], where each stretch begins.
      masked: bool [n].

    Returns:
      Inputs and answers, int32 [m, (tokens)].
    """
    rows = _RaggedTensor.from_row_splits(masked, splits, validate=False)
    row = rows.value_rowids()
    number = tf.cumsum(tf.cast(masked, tf.int32), exclusive=True)
    number -= tf.gather(number, tf.gather(splits, row))
    # Beyond the last sentinel nothing is masked.
    number = tf.minimum(number, len(self.sentinels) - 1)
    sentinels = worded_examples.ragged(
        tf.gather(tf.constant(self.sentinels), number)[:, None]
    )
    index = tf.range(tf.size(masked))
    shown = tf.gather(
        tf.concat([fields, sentinels], 0),
        tf.where(masked, index + tf.size(masked), index),
    )
    told = tf.ragged.boolean_mask(tf.concat([sentinels, fields], 1), masked)
    inputs = _RaggedTensor.from_row_splits(shown, splits, validate=False)
    answers = _RaggedTensor.from_value_rowids(
        told, tf.boolean_mask(row, masked), rows.nrows(), validate=False
    )
    return inputs.merge_dims(1, 2), answers.merge_dims(1, 2)


def _fields(setting: WordedSetting, items: ItemMentions) -> list[TextTokens]:
  """Returns what a history shows of items, a table for each field."""
  sids = [] if setting.show == item_mentions.TITLE else [items.sids]
  if setting.show == item_mentions.SID:
    return sids
  return sids + items.texts(setting.item_fields, setting.max_field_tokens)


def interleave(tables: Sequence[TextTokens]) -> TextTokens:
  """Puts row `i` of all tables before row `i + 1` of any.

  Args:
    tables: at least one, all with the same number of rows.

  Returns:
    A table of as many rows as all of them.

  >>> one = TextTokens(np.array([1, 2, 3]), np.array([0, 2, 3]))
  >>> two = TextTokens(np.array([4, 5]), np.array([0, 0, 2]))
  >>> both = interleave([one, two])
  >>> [both[row].tolist() for row in range(4)]
  [[1, 2], [], [3], [4, 5]]
  """
  joined = item_text_tokens.join(tables)
  lengths = np.stack([table.lengths for table in tables], axis=1).ravel()
  return TextTokens(
      joined.values,
      np.concatenate([[0], np.cumsum(lengths)]),
      joined.content_hash,
  )
