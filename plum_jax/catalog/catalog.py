# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A catalog: the items, and what users did with them."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plum_jax.artifacts import atomic
from plum_jax.artifacts import errors
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog import users as users_lib
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.histories import make_histories

ITEMS_FILE = 'items.parquet'
INTERACTIONS_FILE = 'interactions.parquet'
USERS_FILE = 'users.parquet'


@dataclasses.dataclass(frozen=True)
class Catalog:
  """Items and interactions, checked.

  An item's number is its row in `items`.

  Attributes:
    items: columns `item_id` string (unique, not empty), `title` string
      (empty where unknown), `categories` list<list<string>> (each a path from
      general to specific), `first_seen` int64 seconds (null if unknown), then
      any further text fields as nullable string columns.
    interactions: columns `user_id` string, `item_id` string, `time` int64
      seconds, `rating` float32 (nullable), `reward` float32 (nullable), then
      any further numbers as nullable float32 columns, in source order, with
      `time_kind` in the schema's metadata.
    users: columns `user_id` string (unique, not empty), then any texts as
      nullable strings and any numbers as nullable float32; None if nothing is
      known of users.
    where: what the tables were read from, for messages.
  """

  items: pa.Table
  interactions: pa.Table
  users: pa.Table | None = None
  where: str = 'catalog'

  def __post_init__(self):
    """Checks the tables.

    Raises:
      InputError: see `tables.check_items`, `tables.check_interactions` and
        `users.check_users`.
    """
    tables.check_items(self.items, f'{self.where}, items')
    tables.check_interactions(
        self.interactions, self.items, f'{self.where}, interactions'
    )
    if self.users is not None:
      users_lib.check_users(
          self.users, self.interactions, f'{self.where}, users'
      )

  @classmethod
  def load(cls, directory: str | os.PathLike[str]) -> Catalog:
    """Reads a catalog that `save` wrote, and checks it.

    Raises:
      InputError: a file is missing, unreadable or not a table of its kind.
    """
    directory = pathlib.Path(directory)
    users = directory / USERS_FILE
    return cls(
        items=_read(directory / ITEMS_FILE),
        interactions=_read(directory / INTERACTIONS_FILE),
        users=_read(users) if users.exists() else None,
        where=str(directory),
    )

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes the tables; `users.parquet` only if there is one of users."""
    directory = pathlib.Path(directory)
    files = {ITEMS_FILE: self.items, INTERACTIONS_FILE: self.interactions}
    if self.users is not None:
      files[USERS_FILE] = self.users
    for name, table in files.items():
      with atomic.write_file(directory / name) as temporary:
        pq.write_table(table, temporary, compression='zstd')

  @property
  def num_items(self) -> int:
    """The number of items."""
    return self.items.num_rows

  @property
  def num_interactions(self) -> int:
    """The number of interactions."""
    return self.interactions.num_rows

  @property
  def item_ids(self) -> list[str]:
    """The item id of each item number."""
    return self.items['item_id'].to_pylist()

  @property
  def titles(self) -> list[str]:
    """The title of each item number; empty where it is not known."""
    return self.items['title'].to_pylist()

  @property
  def categories(self) -> list[list[list[str]]]:
    """The category paths of each item number."""
    return self.items['categories'].to_pylist()

  @property
  def text_fields(self) -> tuple[str, ...]:
    """The names of the text columns beside title and categories."""
    fixed = {field.name for field in tables.ITEM_FIELDS}
    return tuple(n for n in self.items.column_names if n not in fixed)

  @property
  def number_columns(self) -> tuple[str, ...]:
    """The names of the interactions' numbers beside rating and reward."""
    return tables.number_columns(self.interactions)

  @property
  def user_ids(self) -> pa.Array:
    """The id of each user number, as in `histories`."""
    return self.interactions['user_id'].unique()

  def with_rewards(self, rewards: np.ndarray) -> Catalog:
    """Returns the catalog with other rewards.

    Args:
      rewards: float32 [num_interactions], in the order of the table.
    """
    index = self.interactions.column_names.index('reward')
    return dataclasses.replace(
        self,
        interactions=self.interactions.set_column(
            index, self.interactions.schema.field(index), pa.array(rewards)
        ),
    )

  @property
  def time_kind(self) -> str:
    """`absolute`, or `relative` to each user's first interaction."""
    return tables.time_kind(self.interactions)

  @functools.cached_property
  def histories(self) -> Histories:
    """The interactions of each user in time order; made at the first use."""
    return make_histories(self.items, self.interactions)

  def item_numbers(self, item_ids: list[str] | pa.Array) -> np.ndarray:
    """Returns the item numbers of item ids.

    Args:
      item_ids: ids [n].

    Returns:
      int32 [n].

    Raises:
      InputError: an id is not in the catalog.
    """
    return item_numbers(self.items, item_ids, self.where)


def item_numbers(
    items: pa.Table, item_ids: list[str] | pa.Array, where: object
) -> np.ndarray:
  """Returns the rows of item ids in an item table, int32 [n].

  Raises:
    InputError: an id is not in the table.
  """
  wanted = pa.array(item_ids, pa.string())
  found = pc.index_in(wanted, value_set=items['item_id'].combine_chunks())
  if found.null_count:
    position = pc.index(pc.is_null(found), True).as_py()
    raise InputError(
        f'The item {wanted[position].as_py()!r} is not in the catalog.',
        where=where,
        expected=f'one of its {items.num_rows} item ids',
        fix='Correct the id, or use the catalog that it comes from.',
    )
  return found.to_numpy(zero_copy_only=False).astype(np.int32)


def read_items(directory: str | os.PathLike[str]) -> pa.Table:
  """Reads the item table of a catalog alone, and checks it.

  Raises:
    InputError: the file is missing, unreadable or no item table.
  """
  path = pathlib.Path(directory) / ITEMS_FILE
  items = _read(path)
  tables.check_items(items, path)
  return items


def _read(path: pathlib.Path) -> pa.Table:
  """Reads one Parquet file."""
  try:
    return pq.read_table(path, memory_map=False)
  except FileNotFoundError as error:
    raise InputError(
        'The catalog has no such file.',
        where=path,
        expected=f'a folder with {ITEMS_FILE} and {INTERACTIONS_FILE}',
        fix='Run the stage catalog first, or correct the path.',
    ) from error
  except pa.ArrowException as error:
    raise InputError(
        f'The file cannot be read: {error}',
        where=path,
        expected='a Parquet file that the stage catalog wrote',
        fix='Delete the folder and run the stage catalog again.',
    ) from error
  except OSError as error:
    if error.errno is None:
      raise InputError(
          f'The file cannot be read: {error}',
          where=path,
          expected='a Parquet file that the stage catalog wrote',
          fix='Delete the folder and run the stage catalog again.',
      ) from error
    raise errors.from_os_error(error, path) from error
