# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A catalog as it was on the evening of a day."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import datetime
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import histories
from plum_jax.catalog import tables
from plum_jax.catalog.sources.source import Source
from plum_jax.catalog.tables import Tables

_SECONDS_PER_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class UpToDay:
  """Another source without what came after a day.

  There are the interactions up to and including the day, and the items that had
  been seen by then: by their first-seen time or, where that is not known, by
  their first interaction. What came later is added by a later day, as in
  PLUM's daily training (arXiv 2510.07784).

  Attributes:
    source: with absolute times.
    last_day: YYYY-MM-DD, in UTC; empty for all days.
  """

  source: Source
  last_day: str = ''

  def __post_init__(self):
    """Refuses what is no date."""
    if self.last_day:
      self._end()

  @property
  def name(self) -> str:
    """Names source and day."""
    day = f'-to-{self.last_day}' if self.last_day else ''
    return f'{self.source.name}{day}'

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds the files of the source."""
    return self.source.inputs()

  def parameters(self) -> Mapping[str, Any]:
    """Returns those of the source, and the day."""
    parameters = dict(self.source.parameters())
    return {
        'source': 'UpToDay',
        'of': parameters,
        'last_day': self.last_day,
    }

  def read(self) -> Tables:
    """Reads the source and leaves out what came later."""
    read = self.source.read()
    return until(read, self._end(), self.name) if self.last_day else read

  def _end(self) -> int:
    """Returns the first second after the day."""
    try:
      day = datetime.date.fromisoformat(self.last_day)
    except ValueError as error:
      raise InputError(
          f'The day cannot be read: {error}.',
          where=f'UpToDay.last_day={self.last_day!r}',
          expected='a date as YYYY-MM-DD',
          fix='Correct the date.',
      ) from error
    days = (day - datetime.date(1970, 1, 1)).days
    return (days + 1) * _SECONDS_PER_DAY


def until(read: Tables, end: int, where: str) -> Tables:
  """Leaves out what came at `end` or later.

  Args:
    read: a source's tables.
    end: seconds since 1970, UTC.
    where: the source, for messages.

  Returns:
    The tables in their order; users stay, known or not.

  Raises:
    InputError: times are relative; or nothing is left.
  """
  tables.check_items(read.items, f'{where}, items')
  tables.check_interactions(
      read.interactions, read.items, f'{where}, interactions'
  )
  if tables.time_kind(read.interactions) != 'absolute':
    raise InputError(
        "The times are relative to each user's first interaction.",
        where=where,
        expected='absolute times, which have days',
        fix='Take another source.',
    )
  first_seen = histories.make_histories(
      read.items, read.interactions
  ).first_seen
  known = (first_seen != histories.UNKNOWN_TIME) & (first_seen < end)
  interactions = read.interactions.filter(
      pa.array(read.interactions['time'].to_numpy() < end)
  )
  if not len(interactions):
    raise InputError(
        'There are no interactions up to this day.',
        where=where,
        expected='a day after '
        f'{_day(read.interactions["time"].to_numpy().min())}, the first one',
        fix='Choose a later day.',
    )
  # An item may be of an earlier first-seen time than its table says: who has
  # been chosen has been seen.
  ids = read.items['item_id'].combine_chunks()
  chosen = pc.is_in(
      ids, value_set=interactions['item_id'].combine_chunks()
  ).to_numpy(zero_copy_only=False)
  return Tables(
      read.items.filter(pa.array(known | chosen)), interactions, read.users
  )


def _day(time: np.integer) -> str:
  return str(np.datetime64(int(time), 's').astype('datetime64[D]'))
