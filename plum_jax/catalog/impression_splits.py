# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Impressions split by time: train on days up to N, test on day N + 1."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.impressions import Impressions
from plum_jax.catalog.splits import SECONDS_PER_DAY


@dataclasses.dataclass(frozen=True, eq=False)
class ImpressionSplit:
  """Two runs of impressions, one after the other in time.

  Attributes:
    train: impressions of days up to N.
    test: impressions of the days after.
    cold_start_items: bool [num_items], items that no one was shown before the
      test days and someone on them.
  """

  train: slice
  test: slice
  cold_start_items: np.ndarray


def by_day(
    impressions: Impressions, *, last_train_day: str = '', test_days: int = 1
) -> ImpressionSplit:
  """Splits by days of UTC.

  Better Generalization with Semantic IDs (arXiv 2306.08121), section 5: train
  on N days in order, test on day N + 1. More test days are for small data.

  Args:
    impressions: in order of time.
    last_train_day: day N as YYYY-MM-DD; the last one that leaves the test days
      in the data if empty.
    test_days: days to test on; impressions after them are left out.

  Returns:
    The split.

  Raises:
    InputError: the day is none, or one side is empty.
  """
  if last_train_day:
    try:
      day = datetime.date.fromisoformat(last_train_day)
    except ValueError as error:
      raise InputError(
          f'The day cannot be read: {error}.',
          where=f'last_train_day={last_train_day!r}',
          expected='a date as YYYY-MM-DD',
          fix='Correct the date.',
      ) from error
    train_day = (day - datetime.date(1970, 1, 1)).days
  else:
    train_day = int(impressions.times[-1]) // SECONDS_PER_DAY - test_days
  borders = (train_day + 1, train_day + 1 + test_days)
  start, stop = np.searchsorted(
      impressions.times, [border * SECONDS_PER_DAY for border in borders]
  )
  if not 0 < start < stop:
    raise InputError(
        f'The split leaves {start} impressions to train on and '
        f'{stop - start} to test.',
        where=f'{last_train_day=}, {test_days=}',
        expected='some of each; the data go from '
        f'{_day_name(impressions.times[0])} to '
        f'{_day_name(impressions.times[-1])}',
        fix='Choose another last_train_day, and test_days of at least 1.',
    )
  train, test = slice(0, int(start)), slice(int(start), int(stop))
  before = impressions.num_impressions(train) > 0
  after = impressions.num_impressions(test) > 0
  return ImpressionSplit(train, test, after & ~before)


def _day_name(time: np.integer) -> str:
  return str(np.datetime64(int(time), 's').astype('datetime64[D]'))
