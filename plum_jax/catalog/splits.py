# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a model may see and what it is asked: splits of the histories."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import datetime
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories

SECONDS_PER_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Targets:
  """Interactions to be predicted.

  The target of example `i` is `histories.item_ids[position[i]]`; its input may
  hold `offsets[user[i]]:position[i]` and nothing else.

  Attributes:
    user: int64 [n], user numbers, ascending.
    position: int64 [n], positions in the histories, ascending.
  """

  user: np.ndarray
  position: np.ndarray

  def __len__(self) -> int:
    return len(self.user)


@dataclasses.dataclass(frozen=True)
class Split:
  """Training windows and targets; no interaction is in two of them.

  Attributes:
    train_end: int64 [num_users]: the training window of user `u` is
      `offsets[u]:train_end[u]`; it may be empty.
    validation: the targets to choose by; may be empty.
    test: the targets to report.
    cold_start_items: bool [num_items], items first seen after the training
      window.
    train_start: int64 [num_users]: what training is to predict are the
      positions `train_start[u]:train_end[u]`; what comes before is history
      alone. None if all of the window is to be predicted.
  """

  train_end: np.ndarray
  validation: Targets
  test: Targets
  cold_start_items: np.ndarray
  train_start: np.ndarray | None = None

  def train_mask(self, histories: Histories) -> np.ndarray:
    """Whether each interaction is in a training window.

    Args:
      histories: those that were split.

    Returns:
      bool [num_interactions].
    """
    position = np.arange(len(histories.item_ids))
    return position < np.repeat(self.train_end, histories.lengths)


def leave_one_out(histories: Histories) -> Split:
  """Keeps each user's last interaction for the test.

  The last is the test target, the second last the validation target, all
  before them the training window. Users with fewer than three interactions
  stay whole in training: they have nothing to be predicted from. This is the
  protocol of TIGER (arXiv 2305.05065) and of the P5 family.

  Args:
    histories: of any kind of time.

  Returns:
    The split. Its cold-start items are those of the targets that occur in no
    training window.
  """
  ends = histories.offsets[1:]
  user = np.flatnonzero(histories.lengths >= 3)
  train_end = ends.copy()
  train_end[user] -= 2
  split = Split(
      train_end=train_end,
      validation=Targets(user, ends[user] - 2),
      test=Targets(user, ends[user] - 1),
      cold_start_items=np.zeros(histories.num_items, bool),
  )
  in_training = split.train_mask(histories)
  trained = _occurs(histories, in_training)
  return dataclasses.replace(
      split, cold_start_items=_occurs(histories, ~in_training) & ~trained
  )


def by_time(
    histories: Histories,
    *,
    last_train_day: str = '',
    validation_days: int = 0,
    test_days: int = 1,
    min_history: int = 1,
    train_days: int = 0,
) -> Split:
  """Trains on all days up to one and tests on the next.

  Days are those of UTC. With the default arguments: train up to day N, test
  on day N+1, the last one of the data, as in "Better Generalization with
  Semantic IDs" (arXiv 2306.08121) and PLUM (arXiv 2510.07784).
  Every interaction of the test days is a target, and its input may hold all
  earlier ones of its user, those of the test days included, as in production.
  Interactions after the test days are in neither part.

  Args:
    histories: with absolute times.
    last_train_day: day N as YYYY-MM-DD; the last one that leaves validation
      and test days in the data if empty.
    validation_days: days after N that give validation targets; the test
      begins after them.
    test_days: days that give test targets.
    min_history: targets with fewer earlier interactions of their user are
      left out; 0 keeps users that nothing is known of.
    train_days: days up to N whose interactions are predicted in training; the
      history before them holds all earlier ones. 0 for all days. With it a
      model that knows day N-1 learns day N alone.

  Returns:
    The split. Cold-start items were seen by no one in the training window and
    were first seen after it (by the catalog's first-seen time, or else by
    their first interaction).

  Raises:
    InputError: the times are relative; the day is not one, or leaves nothing
      to train on or to test.
  """
  _check_by_time(histories, validation_days, test_days, min_history, train_days)
  times = histories.times
  train_stop, test_start, test_stop = _borders(
      times, last_train_day, validation_days, test_days
  )
  in_training = times < train_stop
  starts = histories.offsets[:-1]
  earlier = np.arange(len(times)) - np.repeat(starts, histories.lengths)

  def targets(start: int, stop: int) -> Targets:
    inside = (times >= start) & (times < stop)
    return _targets(histories, inside & (earlier >= min_history))

  test = targets(test_start, test_stop)
  # Times rise within a user's run, so a window is a count.
  train_end = starts + _sum_by_user(histories, in_training)
  train_start = None
  if train_days:
    before = times < train_stop - train_days * SECONDS_PER_DAY
    train_start = starts + _sum_by_user(histories, before)
    in_training &= ~before
  if not in_training.any() or not len(test):
    raise InputError(
        f'The split leaves {int(in_training.sum())} interactions to train on '
        f'and {len(test)} to test.',
        where=f'{last_train_day=}, {validation_days=}, {test_days=}, '
        f'{train_days=}',
        expected=f'days within {_day_name(times.min())} to '
        f'{_day_name(times.max())}, where the interactions are',
        fix='Choose another last_train_day or more test_days.',
    )
  return Split(
      train_end=train_end,
      validation=targets(train_stop, test_start),
      test=test,
      cold_start_items=_seen_after(histories, times < train_stop, train_stop),
      train_start=train_start,
  )


def _borders(
    times: np.ndarray, last_train_day: str, validation_days: int, test_days: int
) -> list[int]:
  """Returns the seconds at which training, validation and test end."""
  if last_train_day:
    train_day = _day_number(last_train_day)
  else:
    last_day = int(times.max()) // SECONDS_PER_DAY
    train_day = last_day - validation_days - test_days
  days = np.cumsum([train_day + 1, validation_days, test_days])
  return (days * SECONDS_PER_DAY).tolist()


def _check_by_time(
    histories: Histories,
    validation_days: int,
    test_days: int,
    min_history: int,
    train_days: int,
) -> None:
  """Refuses what cannot be split by time."""
  if histories.time_kind != 'absolute':
    raise InputError(
        "The times of this catalog are relative to each user's first "
        'interaction: the days of two users cannot be compared.',
        where='time_kind of interactions.parquet',
        expected='absolute',
        fix='Split by leave_one_out, or take a source with absolute times.',
    )
  for name, value, least in (
      ('validation_days', validation_days, 0),
      ('test_days', test_days, 1),
      ('min_history', min_history, 0),
      ('train_days', train_days, 0),
  ):
    if value < least:
      raise InputError(
          f'{name} is {value}.',
          where='split by time',
          expected=f'at least {least}',
          fix=f'Correct {name}.',
      )


def _day_number(day: str) -> int:
  """Returns the days from 1970-01-01 to a date.

  >>> _day_number('1970-01-03')
  2
  """
  try:
    return (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days
  except ValueError as error:
    raise InputError(
        f'The day cannot be read: {error}.',
        where=f'last_train_day={day!r}',
        expected='a date as YYYY-MM-DD',
        fix='Correct the date.',
    ) from error


def _day_name(time: np.integer) -> str:
  """Writes the day of a time, of any year."""
  return str(np.datetime64(int(time), 's').astype('datetime64[D]'))


def make_split(
    histories: Histories, name: str, options: Mapping[str, Any] | None = None
) -> Split:
  """Splits histories as configured by name.

  Args:
    histories: to split.
    name: `leave_one_out` or `by_time`.
    options: keyword arguments of that function.

  Returns:
    The split.

  Raises:
    InputError: there is no such split, or the function refuses.
  """
  functions = {'leave_one_out': leave_one_out, 'by_time': by_time}
  if name not in functions:
    raise InputError(
        f'There is no split called {name!r}.',
        where='split',
        expected=f'one of {", ".join(functions)}',
        fix='Correct the name.',
    )
  try:
    return functions[name](histories, **(options or {}))
  except TypeError as error:
    raise InputError(
        f'The split {name} has no such option: {error}.',
        where='split_options',
        expected='keyword arguments of plum_jax.catalog.splits',
        fix='Correct their names.',
    ) from error


def _sum_by_user(histories: Histories, mask: np.ndarray) -> np.ndarray:
  """Counts the True of each user's run, int64 [num_users]."""
  before = np.concatenate(([0], np.cumsum(mask)))
  return before[histories.offsets[1:]] - before[histories.offsets[:-1]]


def _targets(histories: Histories, mask: np.ndarray) -> Targets:
  """Makes targets of the interactions that the mask names."""
  position = np.flatnonzero(mask)
  user = np.searchsorted(histories.offsets, position, side='right') - 1
  return Targets(user, position)


def _occurs(histories: Histories, mask: np.ndarray) -> np.ndarray:
  """Whether each item is in an interaction that the mask names."""
  occurs = np.zeros(histories.num_items, bool)
  occurs[histories.item_ids[mask]] = True
  return occurs


def _seen_after(
    histories: Histories, in_training: np.ndarray, train_stop: int
) -> np.ndarray:
  """Whether each item was first seen at or after `train_stop`."""
  later = histories.first_seen >= train_stop
  return later & ~_occurs(histories, in_training)
