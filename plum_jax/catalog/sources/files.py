# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""One's own items and interactions: CSV, Parquet or JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import logging
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog import users as users_lib
from plum_jax.catalog.sources import reading
from plum_jax.catalog.sources.columns import Columns
from plum_jax.catalog.sources.columns import UNITS
from plum_jax.catalog.tables import Tables

_LOGGER = logging.getLogger('plum_jax')


@dataclasses.dataclass(frozen=True)
class ItemColumns:
  """The names of the columns in one's own item file; '' where there is none.

  Attributes:
    item_id: ids, texts or whole numbers.
    title: titles; an empty one is a title that is not known.
    categories: lists of lists of names (each a path from general to
      specific), lists of names (each a path of one), or text: paths separated
      by `Files.category_separator`, names in them by `Files.path_separator`.
    first_seen: when the item came into being, in `Files.time_unit`.
    texts: further text columns to keep.
  """

  item_id: str = 'item_id'
  title: str = 'title'
  categories: str = ''
  first_seen: str = ''
  texts: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class InteractionColumns:
  """The names of the columns in one's own interaction file; '' for none.

  Attributes:
    user_id: ids, texts or whole numbers.
    item_id: ids of the item file.
    time: dates, timestamps, or numbers in `Files.time_unit` since 1970, UTC.
    rating: numbers; empty where there is none.
    reward: numbers; empty where there is none.
    numbers: further numeric columns to keep, such as `watch_ratio`.
  """

  user_id: str = 'user_id'
  item_id: str = 'item_id'
  time: str = 'time'
  rating: str = ''
  reward: str = ''
  numbers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class UserColumns:
  """The names of the columns in one's own user file.

  Attributes:
    user_id: ids of the interaction file.
    texts: text columns to keep, such as `country`.
    numbers: numeric columns to keep, such as `age`.
  """

  user_id: str = 'user_id'
  texts: tuple[str, ...] = ()
  numbers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Files:
  """An item file, an interaction file and, if there is one, a user file.

  Their forms follow from their suffixes: .csv, .tsv, .jsonl (also .ndjson,
  .json), each also with .gz, .bz2 or .zst behind it, and .parquet.

  Attributes:
    items: path of the item file.
    interactions: path of the interaction file.
    item_columns: what its columns are called.
    interaction_columns: what its columns are called.
    time_unit: s, ms, us or ns, for times that are numbers.
    relative_times: whether times count from each user's first interaction.
    category_separator: between the paths of a category column of texts.
    path_separator: between the names of a path of texts; '' for none.
    data_name: the name in logs; that of the item file's folder if empty.
    users: path of the user file; empty where there is none.
    user_columns: what its columns are called.
  """

  items: str
  interactions: str
  item_columns: ItemColumns = ItemColumns()
  interaction_columns: InteractionColumns = InteractionColumns()
  time_unit: str = 's'
  relative_times: bool = False
  category_separator: str = '|'
  path_separator: str = '>'
  data_name: str = ''
  users: str = ''
  user_columns: UserColumns = UserColumns()

  def __post_init__(self):
    """Refuses an unknown unit and a required column without a name."""
    if self.time_unit not in UNITS:
      raise InputError(
          f'{self.time_unit!r} is no unit of time.',
          where='Files.time_unit',
          expected=f'one of {", ".join(UNITS)}',
          fix='Correct the unit.',
      )
    columns = self.interaction_columns
    required = (
        ('item_columns.item_id', self.item_columns.item_id),
        ('interaction_columns.user_id', columns.user_id),
        ('interaction_columns.item_id', columns.item_id),
        ('interaction_columns.time', columns.time),
        ('user_columns.user_id', self.user_columns.user_id),
    )
    for field, name in required:
      if not name:
        raise InputError(
            f'Files.{field} is empty.',
            where=f'Files.{field}',
            expected='the name of a column: no catalog can be without it',
            fix='Name the column.',
        )

  @property
  def name(self) -> str:
    """Names the data set."""
    return self.data_name or pathlib.Path(self.items).resolve().parent.name

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds the files."""
    paths = {
        'items': reading.local_path(self.items, 'a file of items'),
        'interactions': reading.local_path(
            self.interactions, 'a file of interactions'
        ),
    }
    if self.users:
      paths['users'] = reading.local_path(self.users, 'a file of users')
    return paths

  def parameters(self) -> Mapping[str, Any]:
    """Returns all but the paths, whose content counts."""
    values = dataclasses.asdict(self)
    for field in ('items', 'interactions', 'users', 'data_name'):
      del values[field]
    # What is not used makes no difference, and lists are as JSON reads them.
    if not self.users:
      del values['user_columns']
    if not self.interaction_columns.numbers:
      del values['interaction_columns']['numbers']
    for columns in (v for v in values.values() if isinstance(v, dict)):
      for name in {'texts', 'numbers'} & set(columns):
        columns[name] = list(columns[name])
    return {'source': 'Files', **values}

  def read(self) -> Tables:
    """Reads the files."""
    _LOGGER.info(
        '%s: reading %s', self.name, ', '.join(map(str, self.inputs().values()))
    )
    return Tables(
        self._read_items(),
        self._read_interactions(),
        self._read_users() if self.users else None,
    )

  def _read_items(self) -> pa.Table:
    path, names = pathlib.Path(self.items), self.item_columns
    texts = (names.item_id, names.title, *names.texts)
    others = (names.categories, names.first_seen)
    table = Columns(path, [n for n in texts if n], [n for n in others if n])
    count = table.num_rows
    return tables.make_items(
        table.texts(names.item_id),
        table.texts(names.title)
        if names.title
        else pa.nulls(count, pa.string()),
        self._categories(table, path) if names.categories else None,
        table.times(names.first_seen, self.time_unit)
        if names.first_seen
        else None,
        **{name: table.texts(name) for name in names.texts},
    )

  def _read_interactions(self) -> pa.Table:
    path, names = pathlib.Path(self.interactions), self.interaction_columns
    others = (names.time, names.rating, names.reward, *names.numbers)
    table = Columns(
        path, [names.user_id, names.item_id], [n for n in others if n]
    )
    return tables.make_interactions(
        table.texts(names.user_id),
        table.texts(names.item_id),
        table.times(names.time, self.time_unit),
        ratings=table.numbers(names.rating) if names.rating else None,
        rewards=table.numbers(names.reward) if names.reward else None,
        numbers={name: table.numbers(name) for name in names.numbers},
        time_kind='relative' if self.relative_times else 'absolute',
    )

  def _read_users(self) -> pa.Table:
    names = self.user_columns
    texts = [names.user_id, *names.texts]
    table = Columns(pathlib.Path(self.users), texts, list(names.numbers))
    return users_lib.make_users(
        table.texts(names.user_id),
        texts={name: table.texts(name) for name in names.texts},
        numbers={name: table.numbers(name) for name in names.numbers},
    )

  def _categories(self, table: Columns, path: pathlib.Path) -> pa.Array:
    """Returns paths of names from any of the three forms."""
    column = table[self.item_columns.categories]
    paths = tables.ITEM_FIELDS[2].type
    if pa.types.is_null(column.type):
      return column.cast(paths)
    if pa.types.is_string(column.type):
      column = pc.split_pattern(
          pc.fill_null(column, ''), self.category_separator
      )
      return split_paths(reading.single_paths(column), self.path_separator)
    if column.type.num_fields == 1:
      inner = column.type.field(0).type
      if pa.types.is_string(inner) or pa.types.is_null(inner):
        flat = pc.fill_null(
            column.cast(pa.list_(pa.string())),
            pa.scalar([], pa.list_(pa.string())),
        )
        return reading.single_paths(flat)
      with reading.guarded(path, f'categories as {paths}'):
        return column.cast(paths)
    raise InputError(
        f'The categories have the type {column.type}.',
        where=f'{path}, column {self.item_columns.categories}',
        expected='lists of lists of names, lists of names, or text',
        fix='Convert the column.',
    )


def split_paths(categories: pa.Array, separator: str) -> pa.Array:
  """Splits paths of one text into their names.

  Args:
    categories: list<list<string>> [n] as `reading.single_paths` gives it.
    separator: between names; '' leaves the texts whole.

  Returns:
    list<list<string>> [n], without blanks around names.

  >>> paths = pa.array([[['Films > Comedy'], ['Old']], []])
  >>> split_paths(paths, '>').to_pylist()
  [[['Films', 'Comedy'], ['Old']], []]
  """
  if not separator:
    return categories
  names = pc.split_pattern(categories.flatten().flatten(), separator)
  trimmed = pa.ListArray.from_arrays(
      names.offsets, pc.utf8_trim_whitespace(names.values)
  )
  return pa.ListArray.from_arrays(categories.offsets, trimmed)
