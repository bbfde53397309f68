# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""User behaviour as text: SIDs between what is known of each interaction.

PLUM's schema (arXiv 2510.07784, continued pre-training) is

    wh = <sid_1> <channel_name> <watch_ratio> <watch_time>
    <hours_since_final_watch> <sid_2> ... || <sid_n>

where the channel is text and numbers are custom tokens. Here any text fields of
items and any numeric features of interactions stand after each SID. Hours count
to the last interaction before the `||`: when the one after it will happen is
not known when it is to be predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import graph_functions
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.user_records import NO_TARGET
from plum_jax.vocabulary import numeric_features
from plum_jax.vocabulary.numeric_features import Buckets

Tensors = Mapping[str, tf.Tensor]

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
_SECONDS_PER_HOUR = 3_600.0
# Where records keep the numbers of interactions.
RECORD_NAMES = {'rating': 'ratings', 'reward': 'rewards'}


class BehaviourSchema:
  """What stands where in a sequence of interactions."""

  def __init__(
      self,
      level_first_ids: Sequence[int],
      *,
      opening: np.ndarray,
      separator: np.ndarray,
      item_texts: Sequence[TextTokens] = (),
      numbers: Sequence[tuple[Buckets, int]] = (),
  ):
    """Puts tables where graph functions capture them.

    Args:
      level_first_ids: the token of code 0 of each level.
      opening: int32 [n], tokens before the first item.
      separator: int32 [n], tokens before the item to be predicted.
      item_texts: texts after each SID, a row per item number.
      numbers: after the texts, the buckets of each numeric feature and the
        token of its first bucket.
    """
    self.level_first_ids = tuple(map(int, level_first_ids))
    self.numbers = tuple(numbers)
    self._item_texts = tuple(item_texts)
    # Tokens of a sequence beside its items.
    self.num_extra = len(opening) + len(separator)
    self.opening = tf.constant(opening, tf.int32)
    self.separator = tf.constant(separator, tf.int32)
    self.texts = [texts.ragged() for texts in item_texts]

  @property
  def num_levels(self) -> int:
    """Tokens of a Semantic ID."""
    return len(self.level_first_ids)

  def describe(self) -> dict[str, Any]:
    """Returns what the sequences depend on, for the description of a task."""
    return {
        'level_first_ids': list(self.level_first_ids),
        'opening': self.opening.numpy().tolist(),
        'separator': self.separator.numpy().tolist(),
        'item_texts': [texts.describe() for texts in self._item_texts],
        'numbers': [
            {**dataclasses.asdict(buckets), 'first_id': first_id}
            for buckets, first_id in self.numbers
        ],
    }


def behaviour_windows(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    schema: BehaviourSchema,
) -> tf.data.Dataset:
  """Cuts histories into sequences that fit, each of which ends with an item.

  A training window is cut at an offset drawn for every user and epoch, so that
  each interaction is in one sequence an epoch, and not always at the same
  place in it. Another record gives one sequence: the newest interactions that
  fit and, after the separator, its target.

  Args:
    dataset: records; see `user_records.features`.
    sequence_length: the budget of `targets` in tokens; None is no limit.
    schema: what stands where.

  Returns:
    Examples with `targets` int32 [n]; `prompt_length` int32, the number of
    tokens before the last SID; `user` and `target_item_id` int32 (`NO_TARGET`
    in training); `history_item_ids` int32, the whole history of a target of
    validation or test, empty in training.

  Raises:
    InputError: the budget holds no item.
  """
  budget = None
  length = (sequence_length or {}).get('targets')
  if length is not None:
    # What the items before the last one may have.
    budget = length - schema.num_extra - schema.num_levels
    if budget < 1:
      raise InputError(
          f'The feature targets has no room for two items: {length} tokens.',
          where='TASK_FEATURE_LENGTHS',
          expected=f'more than {schema.num_extra + schema.num_levels} tokens: '
          'the opening, the separator and a Semantic ID',
          fix="Raise TASK_FEATURE_LENGTHS['targets'].",
      )
  windows = graph_functions.traced(_windows, schema=schema, budget=budget)
  return graph_functions.map_and_flatten(dataset, windows)


def _windows(
    record: Tensors,
    seed: tf.Tensor,
    *,
    schema: BehaviourSchema,
    budget: int | None,
) -> dict[str, Any]:
  """Returns the sequences of a record, stacked."""
  has_target = record['target_item_id'] != NO_TARGET
  sids, item_ids, times = _interactions(record, schema, has_target)
  texts = [tf.gather(table, item_ids) for table in schema.texts]
  lengths = _lengths(schema, texts, tf.size(item_ids))
  window, first = _window_of(lengths, budget, has_target, seed)
  sids, texts = sids[first:], [rows[first:] for rows in texts]
  counts = tf.math.bincount(window, dtype=tf.int32)
  is_last = tf.concat([window[1:] != window[:-1], [True]], 0)
  numbers = _number_tokens(record, schema, has_target, times, first, counts)
  rows = _rows(sids, texts, numbers, is_last, schema)
  tokens = _RaggedTensor.from_row_lengths(
      rows, tf.cast(counts, tf.int64), validate=False
  ).merge_dims(1, 2)
  num_windows = tf.size(counts)
  opening = tf.tile(schema.opening[None, :], [num_windows, 1])
  targets = tf.concat([_ragged(opening), tokens], 1)
  shape = [num_windows]
  history = record['item_ids'][: tf.where(has_target, tf.size(item_ids) - 1, 0)]
  return {
      'targets': targets,
      'prompt_length': tf.cast(targets.row_lengths(), tf.int32)
      - schema.num_levels,
      'user': tf.fill(shape, record['user']),
      'target_item_id': tf.fill(shape, record['target_item_id']),
      # The one window of a target has the history.
      'history_item_ids': _RaggedTensor.from_row_lengths(
          history,
          tf.one_hot(0, num_windows, tf.size(history), dtype=tf.int32),
          validate=False,
      ),
  }


def _interactions(
    record: Tensors, schema: BehaviourSchema, has_target: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns SID tokens [n, num_levels], items [n], times [n], target last."""
  shape = [-1, schema.num_levels]
  is_there = tf.reshape(has_target, [1])

  def target(name):
    return tf.boolean_mask(tf.reshape(record[name], [1]), is_there)

  codes = tf.concat(
      [
          tf.reshape(record['sid_codes'], shape),
          tf.reshape(record['target_sid_codes'], shape),
      ],
      0,
  )
  return (
      codes + tf.constant([schema.level_first_ids], tf.int32),
      tf.concat([record['item_ids'], target('target_item_id')], 0),
      tf.concat([record['times'], target('target_time')], 0),
  )


def _lengths(
    schema: BehaviourSchema, texts: list[Any], num_items: tf.Tensor
) -> tf.Tensor:
  """Returns the tokens of each interaction that is not the last, int32 [n]."""
  lengths = tf.fill([num_items], schema.num_levels + len(schema.numbers))
  for rows in texts:
    lengths += tf.cast(rows.row_lengths(), tf.int32)
  return lengths


def _window_of(
    lengths: tf.Tensor,
    budget: int | None,
    has_target: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
  """Gives each interaction its window.

  Interactions whose tokens start within the same `budget` tokens share one;
  since the last of them is a SID alone, no window has more than `budget`
  tokens and a SID.

  Args:
    lengths: int32 [n].
    budget: tokens before the last SID of a window.
    has_target: whether there is one window, the newest.
    seed: of the offset.

  Returns:
    int32 [m], ascending from 0, of the interactions from the first that is
    used; and that one's number.
  """
  if budget is None:
    return tf.zeros_like(lengths), tf.constant(0)
  starts = tf.cumsum(lengths) - lengths
  # An interaction that is longer than the budget has a window of its own.
  last = starts[-1]
  newest = tf.reduce_sum(tf.cast(last - starts > budget, tf.int32))
  offset = tf.random.stateless_uniform([], seed, 0, budget, tf.int32)
  offset = tf.where(last > budget, offset, 0)
  # budget + 1 starts fit: the last one begins where the budget ends.
  window = (starts + offset) // (budget + 1)
  _, window = tf.unique(window)
  first = tf.where(has_target, newest, 0)
  return tf.where(has_target, 0, window)[first:], first


def _number_tokens(
    record: Tensors,
    schema: BehaviourSchema,
    has_target: tf.Tensor,
    times: tf.Tensor,
    first: tf.Tensor,
    counts: tf.Tensor,
) -> tf.Tensor:
  """Returns the tokens of numbers, int32 [m, num_numbers].

  The last row of a window is never shown.
  """
  columns = []
  for buckets, first_id in schema.numbers:
    if buckets.name == numeric_features.HOURS_SINCE:
      numbers = _hours_since(times[first:], counts)
    else:
      numbers = record[RECORD_NAMES[buckets.name]]
      # A target's own number is not shown, whatever it is.
      numbers = tf.pad(numbers, [[0, tf.cast(has_target, tf.int32)]])[first:]
    columns.append(first_id + _bucket(numbers, buckets))
  if not columns:
    return tf.zeros([tf.size(times) - first, 0], tf.int32)
  return tf.stack(columns, 1)


def _hours_since(times: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
  """Returns hours to each window's last interaction before its end."""
  ends = tf.cumsum(counts)
  finals = tf.gather(times, tf.maximum(ends - 2, ends - counts))
  seconds = tf.repeat(finals, counts) - times
  return tf.cast(seconds, tf.float32) / _SECONDS_PER_HOUR


def _bucket(numbers: tf.Tensor, buckets: Buckets) -> tf.Tensor:
  """As `Buckets.bucket`."""
  found = tf.zeros_like(numbers, tf.int32)
  if buckets.edges:
    edges = tf.constant(buckets.edges, tf.float32)
    found = tf.searchsorted(edges, numbers, side='right')
  missing = len(buckets.edges) + 1
  return tf.where(tf.math.is_nan(numbers), missing, found)


def _rows(
    sids: tf.Tensor,
    texts: list[Any],
    numbers: tf.Tensor,
    is_last: tf.Tensor,
    schema: BehaviourSchema,
) -> tf.RaggedTensor:
  """Returns the tokens of each interaction, [m, (tokens)]."""
  separator = tf.repeat(schema.separator[None, :], tf.size(is_last), axis=0)
  last = _ragged(tf.concat([separator, sids], 1))
  others = tf.concat([_ragged(sids), *texts, _ragged(numbers)], 1)
  row = tf.range(tf.size(is_last))
  both = tf.concat([others, last], 0)
  return tf.gather(both, tf.where(is_last, row + tf.size(is_last), row))


def _ragged(rows: tf.Tensor) -> Any:
  """Returns [n, m] as a ragged tensor with 64-bit splits."""
  return _RaggedTensor.from_tensor(rows, row_splits_dtype=tf.int64)
