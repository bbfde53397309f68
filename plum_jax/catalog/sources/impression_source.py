# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where impressions come from: a catalog's ratings, or one's own table."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import catalog as catalogs
from plum_jax.catalog import impressions
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import GRADED
from plum_jax.catalog.impressions import Impressions
from plum_jax.catalog.impressions import Label
from plum_jax.catalog.sources import reading
from plum_jax.catalog.sources.columns import Columns
from plum_jax.catalog.sources.columns import UNITS


class ImpressionSource(Protocol):
  """What the stage asks, as a frozen dataclass of plain values."""

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds the files that `read` reads beside the catalog, by role."""
    ...

  def parameters(self) -> Mapping[str, Any]:
    """Everything else that the impressions depend on, as JSON values."""
    ...

  def read(self, directory: pathlib.Path) -> Impressions:
    """Reads impressions of the items of the catalog in `directory`."""
    ...


@dataclasses.dataclass(frozen=True)
class RatedInteractions:
  """The ratings of a catalog, each as if the item had been shown.

  Labels: `click`, whether the rating is high; `rating`, the rating itself. The
  candidate is the item that was rated, the watch history what the user had
  rated high before. Which items a user could have rated and did not is not
  known: our choice, as is the threshold.

  Attributes:
    min_rating: the lowest rating that counts as a click.
  """

  min_rating: float = 4.0

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Returns nothing: all comes from the catalog."""
    return {}

  def parameters(self) -> Mapping[str, Any]:
    """Returns what was configured."""
    return {'rated_interactions': dataclasses.asdict(self)}

  def read(self, directory: pathlib.Path) -> Impressions:
    """Makes an impression of each interaction that has a rating.

    Raises:
      InputError: the catalog's times are relative, or nothing has a rating.
    """
    catalog = Catalog.load(directory)
    histories = catalog.histories
    if histories.time_kind != 'absolute':
      raise InputError(
          'The times of this catalog are relative to each user: impressions '
          'cannot be put in order of time.',
          where=f'{directory}, time_kind of interactions.parquet',
          expected='absolute',
          fix='Take a source with absolute times.',
      )
    rated = np.flatnonzero(~np.isnan(histories.ratings))
    if not len(rated):
      raise InputError(
          'No interaction of this catalog has a rating.',
          where=f'{directory}, column rating',
          expected='ratings, to make labels of',
          fix='Give a table of impressions (ImpressionFile).',
      )
    ratings = histories.ratings[rated]
    return impressions.make(
        histories.times[rated],
        histories.users[rated],
        histories.item_ids[rated],
        np.stack([ratings >= self.min_rating, ratings], axis=1),
        labels=(Label('click', BINARY), Label('rating', GRADED)),
        num_items=histories.num_items,
    )


@dataclasses.dataclass(frozen=True)
class ImpressionFile:
  """One's own table of impressions: CSV, TSV, JSON lines or Parquet.

  Attributes:
    path: the file; its form follows from its suffix, see `Columns`.
    user_id: column of ids, texts or whole numbers.
    item_id: column of the candidates' ids, which the catalog must have.
    time: column of dates, timestamps, or numbers in `time_unit` since 1970.
    current_item_id: column of the ids of the items that users were at, empty
      fields for none; '' to take the newest item of the watch history.
    binary_labels: columns of 0 and 1, or of truth values; the first says which
      impressions make up the watch history.
    graded_labels: columns of numbers, empty where there is none.
    time_unit: s, ms, us or ns.
  """

  path: str
  user_id: str = 'user_id'
  item_id: str = 'item_id'
  time: str = 'time'
  current_item_id: str = ''
  binary_labels: tuple[str, ...] = ('click',)
  graded_labels: tuple[str, ...] = ()
  time_unit: str = 's'

  def __post_init__(self):
    """Refuses an unknown unit and a table without a label."""
    if self.time_unit not in UNITS or not self.binary_labels:
      raise InputError(
          f'time_unit={self.time_unit!r} with '
          f'binary_labels={self.binary_labels} cannot be used.',
          where='ImpressionFile',
          expected=f'one of {", ".join(UNITS)}, and at least one binary label',
          fix='Correct the configuration.',
      )

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Returns the file.

    Raises:
      InputError: it is not there.
    """
    return {'impressions': reading.local_path(self.path, 'a table')}

  def parameters(self) -> Mapping[str, Any]:
    """Returns the names of the columns."""
    named = dataclasses.asdict(self)
    del named['path']
    return {'impression_file': {k: _plain(v) for k, v in named.items()}}

  def read(self, directory: pathlib.Path) -> Impressions:
    """Reads the file and checks it.

    Raises:
      InputError: a column is missing or of another type, a value is missing
        where there must be one, or an item is not in the catalog.
    """
    path = self.inputs()['impressions']
    ids = [self.user_id, self.item_id]
    ids += [self.current_item_id] if self.current_item_id else []
    names = (*self.binary_labels, *self.graded_labels)
    columns = Columns(path, ids, [self.time, *names])
    items = catalogs.read_items(directory)
    current = None
    if self.current_item_id:
      current = _current_items(items, columns.texts(self.current_item_id), path)
    users = _whole(columns.texts(self.user_id), path, self.user_id)
    item_ids = _whole(columns.texts(self.item_id), path, self.item_id)
    times = _whole(columns.times(self.time, self.time_unit), path, self.time)
    return impressions.make(
        times.to_numpy(),
        users.dictionary_encode().indices.to_numpy(),
        catalogs.item_numbers(items, item_ids, f'{path}, {self.item_id}'),
        np.stack([_values(columns, name) for name in names], axis=1),
        labels=[
            Label(name, BINARY if name in self.binary_labels else GRADED)
            for name in names
        ],
        num_items=items.num_rows,
        current_items=current,
    )


def _plain(value: Any) -> Any:
  return list(value) if isinstance(value, tuple) else value


def _whole(column: pa.Array, path: pathlib.Path, name: str) -> pa.Array:
  """Returns a column that must have a value in each row."""
  if column.null_count:
    row = pc.index(pc.is_null(column), True).as_py()
    raise InputError(
        f'A value is missing in column {name}.',
        where=f'{path}, row {row + 1}, column {name}',
        expected='a value in every row',
        fix='Fill the value in or drop the row.',
    )
  return column


def _values(columns: Columns, name: str) -> np.ndarray:
  """Returns a label as float32 [n], NaN where it is missing."""
  column = columns[name]
  if pa.types.is_boolean(column.type):
    column = pc.cast(column, pa.float32())
  else:
    column = columns.numbers(name)
  return column.to_numpy(zero_copy_only=False).astype(np.float32)


def _current_items(
    items: pa.Table, ids: pa.Array, path: pathlib.Path
) -> np.ndarray:
  """Returns item numbers, `NO_ITEM` where the id is empty or null."""
  ids = pc.fill_null(ids, '')
  there = pc.not_equal(ids, '').to_numpy(zero_copy_only=False)
  found = np.full(len(ids), impressions.NO_ITEM, np.int32)
  found[there] = catalogs.item_numbers(items, ids.filter(pa.array(there)), path)
  return found
