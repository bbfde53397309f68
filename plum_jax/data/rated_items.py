# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rating prediction in natural language: how a user rates the next item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.rating_values import RatingValues
from plum_jax.data.worded_examples import HISTORY
from plum_jax.data.worded_examples import Lengths
from plum_jax.data.worded_examples import Samples
from plum_jax.data.worded_examples import WordedTask
from plum_jax.data.worded_setting import WordedSetting

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
ITEM = 'item'
_RATED = 'rated'


class RatedItems(WordedTask):
  """A history with its ratings, and items after it: their ratings as text.

  Several items are learned from at the cost of one prompt; in validation and
  test there is one. From the second on a sentinel follows each and precedes its
  rating, as in T5's span corruption: without it cross-attention, which knows no
  positions, can hardly tell which of the items a rating is asked for. The n-th
  item after the first has the n-th sentinel in every sample.

      … | Rating of A B<extra_id_0> C<extra_id_1> :
      4 <extra_id_0> 3 <extra_id_1> 5

  An interaction without a rating is shown without one, and is never asked
  about. A rating that no training window has is shown, and answered, as the
  nearest one of those; `target_rating` is what it is.
  """

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      variants: Sequence[str],
      values: RatingValues,
      items_per_sample: int,
      sentinels: Sequence[int],
  ):
    """Encodes phrasings and ratings.

    Args:
      setting: of all tasks.
      items: of the run.
      variants: phrasings with the places `history` and `item`.
      values: the ratings that there are.
      items_per_sample: the most items of a training window that a sample asks
        about; no more than the targets have room for.
      sentinels: token ids, one for each item that a sample asks about but the
        first.

    Raises:
      InputError: a phrasing cannot be used.
    """
    mentions = items.mentions(
        setting.show, setting.item_fields, setting.max_field_tokens
    )
    longest = int(mentions.lengths.max(initial=0))
    # Without their ends, which all answers get.
    texts = [np.array(ids[:-1], np.int32) for ids in values.token_ids]
    answers = _table(texts)
    self.answers_or_none = _table([*texts, np.zeros(0, np.int32)]).ragged()
    longest = longest * items_per_sample + items_per_sample - 1
    super().__init__(setting, items, [variants], answers, {ITEM: longest})
    self._values = values
    self._items_per_sample = items_per_sample
    self._sentinels = tuple(sentinels)
    shown = [
        items.encoder.words(f'{_RATED} {text}', first=False)
        for text in values.texts
    ]
    # One more for what is not rated: no words.
    ratings = _table([*shown, np.zeros(0, np.int32)])
    self.longest_item += int(ratings.lengths.max())
    self.ratings = ratings.ragged()
    middles = np.array(values.values, np.float32)
    self.middles = (middles[1:] + middles[:-1]) / 2

  def describe(self) -> dict[str, Any]:
    """See `WordedTask.describe`."""
    values: dict[str, Any] = {'values': self._values.describe()}
    if self._sentinels:
      values['sentinels_by_distance'] = self._sentinels
    more = history_slices.described(self._items_per_sample)
    return super().describe() | values | more

  def positions(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor
  ) -> tf.Tensor:
    """See `WordedTask.positions`: what is not rated is not asked about."""
    stops = record_targets.positions(record, self.labels, seed)
    rated = ~tf.math.is_nan(tf.gather(_ratings_with_target(record), stops))
    return tf.boolean_mask(stops, rated)

  def samples(
      self, record: Mapping[str, tf.Tensor], seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """See `WordedTask.samples`."""
    stops = self.positions(record, seed)
    ratings = _ratings_with_target(record)
    places_of = self._value_of(ratings)
    mentions = self.items(record)
    items: Any = tf.concat([mentions, tf.gather(self.ratings, places_of)], 1)
    # What is not rated is left out of question and answer.
    rated = ~tf.math.is_nan(ratings)
    asked = _kept(mentions, rated)
    given = tf.gather(self.answers_or_none, places_of)
    marks = self._sentinels[: self._count(lengths) - 1]
    places = {ITEM: _side_by_side(asked, stops, marks, after=True)}
    answers = _side_by_side(given, stops, marks, after=False)
    first = self.first(items, stops, places, lengths.inputs)
    places[HISTORY] = history_slices.slices(items, first, stops)
    return Samples(
        stops,
        places,
        answers,
        tf.gather(record_targets.item_ids_with_target(record), stops),
        first,
        features={'target_rating': tf.gather(ratings, stops)},
    )

  def _count(self, lengths: Lengths) -> int:
    """Returns how many items a sample asks about at most."""
    if lengths.targets is None:
      return self._items_per_sample
    # A sentinel before all answers but the first, and the end.
    room = lengths.targets // (self.longest_answer + 1)
    return min(self._items_per_sample, max(room, 1))

  def _value_of(self, ratings: tf.Tensor) -> tf.Tensor:
    """Returns which value a rating is nearest to; one more for none."""
    found = tf.searchsorted(tf.constant(self.middles), ratings, side='left')
    return tf.where(tf.math.is_nan(ratings), len(self.middles) + 1, found)


def _kept(rows: Any, kept: tf.Tensor) -> Any:
  """Empties the rows that are not kept; ragged, [n, (tokens)]."""
  numbers = tf.where(kept, tf.range(tf.size(kept)), tf.size(kept))
  return tf.gather(_with_empty_row(rows), numbers)


def _side_by_side(
    rows: Any, stops: tf.Tensor, sentinels: Sequence[int], after: bool
) -> Any:
  """Returns the row at each stop, then those of the items after it.

  Args:
    rows: int32 [n, (tokens)], one for each item, or none.
    stops: int32 [m].
    sentinels: one for each further item, by its distance: the same in every
      sample, so that only what it stands beside is to be learned.
    after: whether a sentinel stands after its row, or before it.

  Returns:
    int32 [m, (tokens)].
  """
  with_empty = _with_empty_row(rows)
  found = [tf.gather(rows, stops)]
  for distance, sentinel in enumerate(sentinels, 1):
    # After the last item there is none.
    row = tf.gather(
        with_empty, tf.minimum(stops + distance, rows.nrows(tf.int32))
    )
    there = tf.cast(row.row_lengths() > 0, tf.int64)
    mark = _RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(there)], sentinel), there, validate=False
    )
    found += [row, mark] if after else [mark, row]
  return tf.concat(found, 1)


def _with_empty_row(rows: Any) -> Any:
  """Appends a row without tokens."""
  empty = _RaggedTensor.from_row_lengths(
      rows.values[:0], tf.zeros([1], tf.int64), validate=False
  )
  return tf.concat([rows, empty], 0)


def _ratings_with_target(record: Mapping[str, tf.Tensor]) -> tf.Tensor:
  """Returns the ratings of a record's items, the target's last, float32."""
  target = tf.boolean_mask(
      tf.reshape(record['target_rating'], [1]),
      tf.reshape(record_targets.has_target(record), [1]),
  )
  return tf.concat([record['ratings'], target], 0)


def _table(texts: Sequence[np.ndarray]) -> TextTokens:
  """Makes a table of rows of tokens."""
  return TextTokens(
      np.concatenate(texts).astype(np.int32),
      np.cumsum([0, *map(len, texts)]),
      'ratings',
  )
