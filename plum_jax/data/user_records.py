# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""One record per user and split: a history and, but for training, a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split
from plum_jax.catalog.splits import Targets

NO_TARGET = -1
FIRST_TARGET = 'first_target'

# Tensor, not tfds.features.Sequence: that one encodes element by element.
_SCALARS = {
    'user': np.int32,
    'target_item_id': np.int32,
    'target_time': np.int64,
    'target_rating': np.float32,
    'target_reward': np.float32,
}
_SEQUENCES = {
    'item_ids': np.int32,
    'sid_codes': np.int32,
    'times': np.int64,
    'ratings': np.float32,
    'rewards': np.float32,
    'target_sid_codes': np.int32,
}


def number_feature(column: str) -> str:
  """Names the feature of a further numeric column of interactions.

  >>> number_feature('watch_ratio')
  'number_watch_ratio'
  """
  return f'number_{column}'


def features(
    number_columns: Sequence[str] = (), *, first_targets: bool = False
) -> tfds.features.FeaturesDict:
  """Returns the features of a record.

  * `user_id`: the user's id, a string; `user`: the user's number.
  * `item_ids` [n], `times` [n] in seconds, `ratings` [n], `rewards` [n] (NaN
    where missing): the history, oldest first.
  * `sid_codes` [n * num_levels]: the history's full codes, item after item.
  * `target_item_id` (`NO_TARGET` in training records), `target_sid_codes`
    [num_levels] (empty in training records), `target_time`, `target_rating`,
    `target_reward`: what is to be predicted.
  * `number_<column>` [n] and `target_number_<column>`: a further number of the
    interactions, NaN where missing.
  * `first_target`: training is to predict the items of the history from this
    one on, and never the first of a user's interactions.

  Args:
    number_columns: the catalog's; see `Catalog.number_columns`.
    first_targets: whether records have `first_target`.
  """
  tensor = tfds.features.Tensor
  numbers = [number_feature(column) for column in number_columns]
  scalars: dict[str, Any] = _SCALARS | {
      f'target_{name}': np.float32 for name in numbers
  }
  if first_targets:
    scalars[FIRST_TARGET] = np.int32
  sequences = _SEQUENCES | dict.fromkeys(numbers, np.float32)
  return tfds.features.FeaturesDict(
      {'user_id': tfds.features.Text()}
      | {name: tensor(shape=(), dtype=t) for name, t in scalars.items()}
      | {name: tensor(shape=(None,), dtype=t) for name, t in sequences.items()}
  )


@dataclasses.dataclass(frozen=True)
class Spans:
  """Where the records of one split lie in the histories.

  Attributes:
    user: int64 [n], user numbers.
    start: int64 [n], position of the first interaction of the history.
    stop: int64 [n], one more than that of the last; the target's, if any.
    has_target: whether `stop` is a target.
    first_target: int64 [n], the first interaction that training is to predict,
      counted from `start`; None if records do not say.
  """

  user: np.ndarray
  start: np.ndarray
  stop: np.ndarray
  has_target: bool
  first_target: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.user)


def training_spans(histories: Histories, split: Split, seed: int) -> Spans:
  """Returns the users' training windows in an order drawn from the seed.

  Files are read in their order, and a shuffle buffer mixes neighbours only:
  the order in the files does the rest, once and for all.

  Args:
    histories: all users'.
    split: says where each training window ends.
    seed: of the order.

  Returns:
    The windows that are not empty, and in which there is something to predict.
  """
  first = split.train_start
  begins = histories.offsets[:-1] if first is None else first
  user = np.flatnonzero(split.train_end > begins)
  user = np.random.default_rng(seed).permutation(user)
  start = histories.offsets[user]
  return Spans(
      user,
      start,
      split.train_end[user],
      False,
      None if first is None else first[user] - start,
  )


def target_spans(
    histories: Histories,
    targets: Targets,
    name: str,
    *,
    first_targets: bool = False,
) -> Spans:
  """Returns the history before each target.

  Args:
    histories: all users'.
    targets: of one split.
    name: the split's name, for the message.
    first_targets: whether training records say where their targets begin:
      these then do too, and it is where the target is.

  Returns:
    One span per target, in the order of the targets.

  Raises:
    InputError: nothing precedes a target.
  """
  start = histories.offsets[targets.user]
  empty = np.flatnonzero(targets.position <= start)
  if empty.size:
    user = targets.user[empty[0]]
    raise InputError(
        f'The history of user {str(histories.user_ids[user])!r} is empty '
        f'before its target; so are {empty.size} in all.',
        where=f'split {name}',
        expected='at least one interaction before each target',
        fix='Split with min_history=1 or more.',
    )
  first_target = targets.position - start if first_targets else None
  return Spans(targets.user, start, targets.position, True, first_target)


def serialized(
    histories: Histories, full_codes: np.ndarray, spans: Spans
) -> Iterator[bytes]:
  """Yields records as `tf.train.Example`s.

  TFDS' own writers serialize map entries in an order that differs between
  runs; these bytes are the same at every run.

  Args:
    histories: all users'.
    full_codes: int32 [num_items, num_levels].
    spans: the records to make.

  Yields:
    A serialized proto for each span, in their order.
  """
  no_code = full_codes[0, :0]
  columns = {'ratings': histories.ratings, 'rewards': histories.rewards}
  targets = {'ratings': 'target_rating', 'rewards': 'target_reward'}
  for column, values in histories.numbers.items():
    name = number_feature(column)
    columns[name], targets[name] = values, f'target_{name}'
  for row, (user, start, stop) in enumerate(
      zip(
          spans.user.tolist(),
          spans.start.tolist(),
          spans.stop.tolist(),
          strict=True,
      )
  ):
    items = histories.item_ids[start:stop]
    integers = {
        'user': [user],
        'item_ids': items,
        'sid_codes': full_codes[items].ravel(),
        'times': histories.times[start:stop],
        'target_item_id': [NO_TARGET],
        'target_sid_codes': no_code,
        'target_time': [NO_TARGET],
    }
    reals = {name: x[start:stop] for name, x in columns.items()}
    reals |= {target: [np.nan] for target in targets.values()}
    if spans.first_target is not None:
      integers[FIRST_TARGET] = [spans.first_target[row]]
    if spans.has_target:
      target = histories.item_ids[stop]
      integers['target_item_id'] = [target]
      integers['target_sid_codes'] = full_codes[target]
      integers['target_time'] = [histories.times[stop]]
      reals |= {targets[name]: [x[stop]] for name, x in columns.items()}
    yield _example(str(histories.user_ids[user]), integers, reals)


def _example(user_id: str, integers: dict, reals: dict) -> bytes:
  """Serializes one record."""
  feature = {
      'user_id': tf.train.Feature(
          bytes_list=tf.train.BytesList(value=[user_id.encode()])
      )
  }
  for name, values in integers.items():
    feature[name] = tf.train.Feature(
        int64_list=tf.train.Int64List(value=np.asarray(values).tolist())
    )
  for name, values in reals.items():
    feature[name] = tf.train.Feature(
        float_list=tf.train.FloatList(value=np.asarray(values).tolist())
    )
  example = tf.train.Example(features=tf.train.Features(feature=feature))
  return example.SerializeToString(deterministic=True)
