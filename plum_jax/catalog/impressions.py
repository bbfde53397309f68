# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Logged impressions: what was shown to whom, when, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import dataclasses
import functools
import json
import os
import pathlib
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.artifacts import atomic
from plum_jax.artifacts import errors
from plum_jax.artifacts.errors import InputError

FILE_NAME = 'impressions.parquet'
NO_ITEM = -1
BINARY, GRADED = 'binary', 'graded'
_LABELS_KEY = b'labels'
_NUMBERS = (
    pa.field('time', pa.int64(), nullable=False),
    pa.field('user', pa.int32(), nullable=False),
    pa.field('current_item', pa.int32(), nullable=False),
    pa.field('item', pa.int32(), nullable=False),
)


class Label(NamedTuple):
  """What is predicted of an impression.

  Attributes:
    name: such as `click`.
    kind: `binary`, 0 or 1, or `graded`, any number.
  """

  name: str
  kind: str


@dataclasses.dataclass(frozen=True, eq=False)
class Impressions:
  """Impressions in order of time; equal times in order of the source.

  Attributes:
    times: int64 [n] seconds, ascending.
    users: int32 [n], user numbers.
    current_items: int32 [n], number of the item that the user was at;
      `NO_ITEM` for none.
    items: int32 [n], number of the candidate that was shown.
    values: float32 [n, num_labels], NaN where a label is missing.
    labels: [num_labels]; the first is binary and says which impressions make
      up the watch history.
    num_items: of the catalog.
  """

  times: np.ndarray
  users: np.ndarray
  current_items: np.ndarray
  items: np.ndarray
  values: np.ndarray
  labels: tuple[Label, ...]
  num_items: int

  def __len__(self) -> int:
    return len(self.times)

  def histories(self, rows: np.ndarray, max_length: int) -> np.ndarray:
    """Gives the watch histories at impressions.

    They hold the items of the user's earlier impressions whose first label is
    1, earlier by at least a second: ties have no order that can be relied on.

    Args:
      rows: int64 [n], numbers of impressions.
      max_length: number of newest items to give.

    Returns:
      int32 [n, max_length], newest last, padded on the left with `NO_ITEM`.
    """
    keys, items, starts = self._clicks
    users = self.users[rows].astype(np.int64)
    ends = np.searchsorted(keys, self._keys(rows))
    position = ends[:, None] - np.arange(max_length, 0, -1)[None, :]
    present = position >= starts[users][:, None]
    found = items[np.where(present, position, 0)] if len(items) else NO_ITEM
    return np.where(present, found, NO_ITEM).astype(np.int32)

  def num_impressions(self, rows: slice) -> np.ndarray:
    """Counts the impressions of each item, int64 [num_items]."""
    return np.bincount(self.items[rows], minlength=self.num_items)

  def _keys(self, rows: np.ndarray | slice) -> np.ndarray:
    """Numbers (user, time) so that their order is that of the pairs."""
    span = int(self.times[-1] - self.times[0]) + 1
    users = self.users[rows].astype(np.int64)
    return users * span + (self.times[rows] - self.times[0])

  @functools.cached_property
  def _clicks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys and items of clicks by (user, time), and where each user's begin."""
    clicked = np.flatnonzero(self.values[:, 0] == 1)
    keys = self._keys(clicked)
    order = np.argsort(keys, kind='stable')
    counts = np.bincount(
        self.users[clicked], minlength=int(self.users.max()) + 1
    )
    starts = np.concatenate(([0], np.cumsum(counts)))
    return keys[order], self.items[clicked][order], starts


def make(
    times: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    values: np.ndarray,
    *,
    labels: Sequence[Label],
    num_items: int,
    current_items: np.ndarray | None = None,
) -> Impressions:
  """Sorts impressions by time.

  Args:
    times: int64 [n] seconds.
    users: int [n], user numbers.
    items: int [n], candidates.
    values: float [n, num_labels], NaN where missing.
    labels: [num_labels], the first of them binary.
    num_items: of the catalog.
    current_items: int [n]; None for the newest item of the watch history.

  Returns:
    The impressions.

  >>> made = make(np.array([5, 3]), np.array([0, 0]), np.array([1, 2]),
  ...             np.ones((2, 1)), labels=[Label('click', BINARY)], num_items=3)
  >>> made.items.tolist(), made.current_items.tolist()
  ([2, 1], [-1, 2])
  """
  order = np.argsort(times, kind='stable')
  none = np.full(len(times), NO_ITEM, np.int32)
  made = Impressions(
      times=np.asarray(times, np.int64)[order],
      users=np.asarray(users, np.int32)[order],
      current_items=none
      if current_items is None
      else np.asarray(current_items, np.int32)[order],
      items=np.asarray(items, np.int32)[order],
      values=np.asarray(values, np.float32)[order],
      labels=tuple(labels),
      num_items=num_items,
  )
  if current_items is not None or not len(made):
    return made
  newest = made.histories(np.arange(len(made)), 1)[:, 0]
  return dataclasses.replace(made, current_items=newest)


def check(impressions: Impressions, where: object) -> None:
  """Refuses impressions that nothing can be learned from.

  Args:
    impressions: any.
    where: what they were read from, for the message.

  Raises:
    InputError: there are none; the first label is not binary; a binary label
      is neither 0 nor 1, or a graded one infinite.
  """
  if not len(impressions):
    raise InputError(
        'There are no impressions.',
        where=where,
        expected='at least one',
        fix='Check the source.',
    )
  if not impressions.labels or impressions.labels[0].kind != BINARY:
    raise InputError(
        f'The labels are {[tuple(label) for label in impressions.labels]}.',
        where=where,
        expected='a binary label, such as click, before all others',
        fix='Name one.',
    )
  for column, label in enumerate(impressions.labels):
    values = impressions.values[:, column]
    good = np.isnan(values) | np.isfinite(values)
    if label.kind == BINARY:
      good = np.isnan(values) | (values == 0) | (values == 1)
    if not good.all():
      row = int(np.argmin(good))
      raise InputError(
          f'The {label.kind} label {label.name} is {values[row]}.',
          where=f'{where}, impression {row + 1} in order of time',
          expected='0 or 1, or an empty field where it is not known'
          if label.kind == BINARY
          else 'a finite number, or an empty field where it is not known',
          fix='Correct the value, or name the label as graded.',
      )


def save(impressions: Impressions, directory: str | os.PathLike[str]) -> None:
  """Writes `impressions.parquet`."""
  labels = [pa.field(label.name, pa.float32()) for label in impressions.labels]
  metadata = {
      _LABELS_KEY: json.dumps([list(x) for x in impressions.labels]).encode()
  }
  columns = [
      pa.array(values)
      for values in (
          impressions.times,
          impressions.users,
          impressions.current_items,
          impressions.items,
      )
  ]
  columns += [
      pa.array(values, mask=np.isnan(values)) for values in impressions.values.T
  ]
  table = pa.table(
      columns, schema=pa.schema([*_NUMBERS, *labels], metadata=metadata)
  )
  with atomic.write_file(pathlib.Path(directory) / FILE_NAME) as temporary:
    pq.write_table(table, temporary, compression='zstd')


def load(directory: str | os.PathLike[str], num_items: int) -> Impressions:
  """Reads impressions that `save` wrote.

  Args:
    directory: their folder.
    num_items: of the catalog that they were made for.

  Raises:
    InputError: the file is missing or damaged, or names items that the catalog
      does not have.
  """
  path = pathlib.Path(directory) / FILE_NAME
  try:
    table = pq.read_table(path, memory_map=False)
    described = json.loads((table.schema.metadata or {})[_LABELS_KEY])
    labels = tuple(Label(*label) for label in described)
    numbers = {f.name: table[f.name].to_numpy() for f in _NUMBERS}
    values = _stack(table[label.name] for label in labels)
  except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
    if isinstance(error, OSError) and error.errno is not None:
      raise errors.from_os_error(error, path) from error
    raise InputError(
        f'The impressions cannot be read: {error}',
        where=path,
        expected='a file that the stage impressions wrote',
        fix='Delete the folder and run the stage impressions again.',
    ) from error
  for name in ('current_item', 'item'):
    if numbers[name].max(initial=NO_ITEM) >= num_items:
      raise InputError(
          f'The impressions name the item number {numbers[name].max()}.',
          where=f'{path}, column {name}',
          expected=f'less than {num_items}, the items of the catalog',
          fix='Run the stage impressions again.',
      )
  return Impressions(
      times=numbers['time'],
      users=numbers['user'],
      current_items=numbers['current_item'],
      items=numbers['item'],
      values=values,
      labels=labels,
      num_items=num_items,
  )


def _stack(columns: Iterable[pa.ChunkedArray]) -> np.ndarray:
  """Makes float32 [n, num_labels] of columns, NaN in the place of nulls."""
  return np.stack(
      [column.to_numpy().astype(np.float32) for column in columns], axis=1
  )
