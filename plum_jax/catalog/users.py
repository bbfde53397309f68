# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of users: what is known of them beside what they did."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables

_USER_ID = pa.field('user_id', pa.string(), nullable=False)
UNKNOWN_USER = -1


def make_users(
    user_ids: pa.Array,
    *,
    texts: Mapping[str, pa.Array] | None = None,
    numbers: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
  """Puts columns together to a user table.

  Args:
    user_ids: strings [num_users].
    texts: nullable strings [num_users], by name.
    numbers: float32 [num_users], null where not known, by name.

  Returns:
    The table, unchecked: texts, then numbers.
  """
  texts, numbers = texts or {}, numbers or {}
  fields = [_USER_ID]
  fields += [pa.field(name, pa.string()) for name in texts]
  fields += [pa.field(name, pa.float32()) for name in numbers]
  columns = [user_ids, *texts.values(), *numbers.values()]
  return pa.table(columns, schema=pa.schema(fields))


def check_users(table: pa.Table, interactions: pa.Table, where: object) -> None:
  """Refuses a table that is no user table of these interactions.

  A user without a row is one that nothing is known of; one without
  interactions is one to come.

  Args:
    table: columns as in `make_users`.
    interactions: a checked interaction table.
    where: the file it was read from, for the message.

  Raises:
    InputError: a column is of another type; a user id is empty or occurs twice;
      a number is NaN or infinite; no user of the interactions has a row.
  """
  tables.check_schema(table, [_USER_ID], where)
  for field in table.schema:
    if field.name == _USER_ID.name:
      continue
    tables.check_column_name(field.name, where)
    if field.type != pa.string():
      tables.check_type(field, pa.float32(), where)
      tables.check_finite(table, field.name, where)
  tables.check_ids(table, _USER_ID.name, where)
  tables.check_unique(table, _USER_ID.name, where)
  known = pc.is_in(
      interactions['user_id'], value_set=table['user_id'].combine_chunks()
  )
  if not pc.any(known).as_py():
    raise InputError(
        'No user of the interactions is in the user table.',
        where=f'{where}, column user_id',
        expected='ids like those of the interactions, such as '
        f'{interactions["user_id"][0].as_py()!r}',
        fix='Correct the column of ids, or leave the user table out.',
    )


def rows_of(table: pa.Table, user_ids: pa.Array) -> pa.Array:
  """Finds users in a user table.

  Args:
    table: a checked user table.
    user_ids: strings [n].

  Returns:
    int32 [n], rows; null where a user has none.

  >>> table = make_users(pa.array(['a', 'b']))
  >>> rows_of(table, pa.array(['b', 'c', 'a'])).to_pylist()
  [1, None, 0]
  """
  return pc.index_in(user_ids, value_set=table['user_id'].combine_chunks())


def texts_of(table: pa.Table, user_ids: pa.Array, name: str) -> pa.Array:
  """Returns a column's values as texts; whole numbers without a point.

  Args:
    table: a checked user table.
    user_ids: strings [n].
    name: a column beside `user_id`.

  Returns:
    string [n], null where nothing is known.

  >>> ages = pa.array([24.0], pa.float32())
  >>> table = make_users(pa.array(['a']), numbers={'age': ages})
  >>> texts_of(table, pa.array(['b', 'a']), 'age').to_pylist()
  [None, '24']
  """
  column = table[name].combine_chunks().take(rows_of(table, user_ids))
  if column.type == pa.string():
    return column
  return pc.replace_substring_regex(pc.cast(column, pa.string()), r'\.0$', '')
