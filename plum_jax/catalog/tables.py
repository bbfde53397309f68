# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The two tables of a catalog: what they must look like, and who checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError

TIME_KINDS = ('absolute', 'relative')
_TIME_KIND_KEY = b'time_kind'

ITEM_FIELDS = (
    pa.field('item_id', pa.string(), nullable=False),
    pa.field('title', pa.string(), nullable=False),
    pa.field('categories', pa.list_(pa.list_(pa.string())), nullable=False),
    pa.field('first_seen', pa.int64()),
)
INTERACTION_FIELDS = (
    pa.field('user_id', pa.string(), nullable=False),
    pa.field('item_id', pa.string(), nullable=False),
    pa.field('time', pa.int64(), nullable=False),
    pa.field('rating', pa.float32()),
    pa.field('reward', pa.float32()),
)


class Tables(NamedTuple):
  """What a source reads.

  Attributes:
    items: one row an item; see `check_items`.
    interactions: one row an interaction; see `check_interactions`.
    users: one row a user, if anything is known of them; see
      `users.check_users`.
  """

  items: pa.Table
  interactions: pa.Table
  users: pa.Table | None = None


def make_items(
    item_ids: pa.Array,
    titles: pa.Array,
    categories: pa.Array | None = None,
    first_seen: pa.Array | None = None,
    **texts: pa.Array,
) -> pa.Table:
  """Puts columns together to an item table.

  Args:
    item_ids: strings [num_items].
    titles: strings [num_items]; a null becomes the empty title.
    categories: list<list<string>> [num_items], each a path from general to
      specific; none if absent.
    first_seen: int64 seconds [num_items], null where unknown.
    **texts: any further text fields, nullable strings [num_items].

  Returns:
    The table, unchecked.

  >>> table = make_items(pa.array(['a']), pa.array([None], pa.string()),
  ...                    brand=pa.array(['x']))
  >>> table.to_pylist() == [{'item_id': 'a', 'title': '', 'categories': [],
  ...                        'first_seen': None, 'brand': 'x'}]
  True
  """
  count = len(item_ids)
  paths = ITEM_FIELDS[2].type
  if categories is None:
    categories = pa.array([[]], paths).take(
        pa.nulls(count, pa.int8()).fill_null(0)
    )
  if first_seen is None:
    first_seen = pa.nulls(count, pa.int64())
  fields = [*ITEM_FIELDS, *(pa.field(name, pa.string()) for name in texts)]
  columns = [
      item_ids,
      pc.fill_null(titles, ''),
      pc.fill_null(categories, pa.scalar([], paths)),
      first_seen,
      *texts.values(),
  ]
  return pa.table(columns, schema=pa.schema(fields))


def make_interactions(
    user_ids: pa.Array,
    item_ids: pa.Array,
    times: pa.Array,
    *,
    time_kind: str,
    ratings: pa.Array | None = None,
    rewards: pa.Array | None = None,
    numbers: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
  """Puts columns together to an interaction table.

  Args:
    user_ids: strings [num_interactions].
    item_ids: strings [num_interactions].
    times: int64 seconds [num_interactions].
    time_kind: `absolute` (since 1970, UTC) or `relative` (since the user's
      first interaction).
    ratings: float32 [num_interactions], null where there is none.
    rewards: float32 [num_interactions], null where there is none.
    numbers: further columns by name, such as `watch_ratio`: float32
      [num_interactions], null where there is none.

  Returns:
    The table, unchecked.
  """
  empty = pa.nulls(len(user_ids), pa.float32())
  numbers = numbers or {}
  schema = pa.schema(
      [*INTERACTION_FIELDS, *(pa.field(n, pa.float32()) for n in numbers)],
      metadata={_TIME_KIND_KEY: time_kind.encode()},
  )
  columns = [
      user_ids,
      item_ids,
      times,
      empty if ratings is None else ratings,
      empty if rewards is None else rewards,
      *numbers.values(),
  ]
  return pa.table(columns, schema=schema)


def number_columns(interactions: pa.Table) -> tuple[str, ...]:
  """Returns the names of the numeric columns beside rating and reward."""
  fixed = {field.name for field in INTERACTION_FIELDS}
  return tuple(name for name in interactions.column_names if name not in fixed)


def time_kind(interactions: pa.Table) -> str:
  """Returns `absolute` or `relative`, or '' if the table does not say."""
  metadata = interactions.schema.metadata or {}
  return metadata.get(_TIME_KIND_KEY, b'').decode()


def check_items(table: pa.Table, where: object) -> None:
  """Refuses a table that is no item table.

  Args:
    table: columns as in `make_items`.
    where: the file it was read from, for the message.

  Raises:
    InputError: a column is missing, is of another type or unknown type; a
      required value is absent; an item id is empty or occurs twice; a
      first-seen time is negative.
  """
  check_schema(table, ITEM_FIELDS, where)
  for field in table.schema:
    if field.name not in {f.name for f in ITEM_FIELDS}:
      check_type(field, pa.string(), where)
  check_ids(table, 'item_id', where)
  paths = pc.list_flatten(table['categories'])
  if paths.null_count or pc.list_flatten(paths).null_count:
    raise InputError(
        'A category is null.',
        where=f'{where}, column categories',
        expected='lists of names, each a path from general to specific',
        fix='Leave an unknown category out of its list.',
    )
  _check_times(table, 'first_seen', where)
  check_unique(table, 'item_id', where)


def check_unique(table: pa.Table, name: str, where: object) -> None:
  """Refuses an id that occurs in two rows of a column."""
  ids = table[name].combine_chunks()
  encoded = ids.dictionary_encode()
  if len(encoded.dictionary) < len(ids):
    counts = ids.value_counts()
    repeated = counts.filter(pc.greater(counts.field('counts'), 1))
    value = repeated.field('values')[0].as_py()
    rows = [
        row + 1 for row in pc.indices_nonzero(pc.equal(ids, value)).to_pylist()
    ]
    what = name.replace('_', ' ')
    raise InputError(
        f'The {what} {value!r} occurs {len(rows)} times; '
        f'{len(repeated)} {what}s occur more than once.',
        where=f'{where}, rows {rows[0]} and {rows[1]}',
        expected=f'each {what.removesuffix(" id")} in one row',
        fix='Remove the repeated rows.',
    )


def check_column_name(name: str, where: object) -> None:
  """Refuses a name that no expression and no feature could have."""
  if re.fullmatch(r'[A-Za-z_]\w*', name, re.ASCII):
    return
  raise InputError(
      f'{name!r} cannot name a column.',
      where=f'{where}, column {name}',
      expected='letters, digits and underscores, such as watch_ratio',
      fix='Rename the column.',
  )


def check_interactions(table: pa.Table, items: pa.Table, where: object) -> None:
  """Refuses a table that is no interaction table of these items.

  Args:
    table: columns as in `make_interactions`.
    items: a checked item table.
    where: the file it was read from, for the message.

  Raises:
    InputError: a column is missing or of another type; a user id is empty; an
      item is not in `items`; a time is absent or negative; a rating, a
      reward or a further number is NaN or infinite; the table does not say
      what its times count from; there is no interaction at all.
  """
  check_schema(table, INTERACTION_FIELDS, where)
  for name in number_columns(table):
    check_column_name(name, where)
    check_type(table.schema.field(name), pa.float32(), where)
  if time_kind(table) not in TIME_KINDS:
    raise InputError(
        f'The table does not say what its times count from: '
        f'{time_kind(table)!r}.',
        where=f'{where}, schema metadata time_kind',
        expected=' or '.join(TIME_KINDS),
        fix='Build the catalog again from its source.',
    )
  if not table.num_rows:
    raise InputError(
        'There are no interactions.',
        where=where,
        expected='at least one interaction',
        fix='Check the source; a header alone is not enough.',
    )
  check_ids(table, 'user_id', where)
  check_ids(table, 'item_id', where)
  _check_times(table, 'time', where)
  for name in ('rating', 'reward', *number_columns(table)):
    check_finite(table, name, where)
  known = pc.is_in(
      table['item_id'], value_set=items['item_id'].combine_chunks()
  )
  if not pc.all(known).as_py():
    row = pc.index(known, False).as_py()
    count = table.num_rows - pc.sum(known).as_py()
    raise InputError(
        f'The item {table["item_id"][row].as_py()!r} is not in the catalog; '
        f'{count} interactions are with unknown items.',
        where=f'{where}, {_row(row)}, column item_id',
        expected=f'one of the {items.num_rows} item ids of the item table',
        fix='Add the item to the item table or remove the interactions.',
    )


def _row(index: int) -> str:
  """Names a row for people: the first is 1, a header is not counted."""
  return f'row {index + 1}'


def check_schema(
    table: pa.Table, fields: Sequence[pa.Field], where: object
) -> None:
  """Refuses missing or repeated columns, other types and nulls."""
  names = table.column_names
  if len(set(names)) < len(names) or any(f.name not in names for f in fields):
    raise _wrong_columns(table, fields, where)
  for field in fields:
    check_type(table.schema.field(field.name), field.type, where)
    column = table[field.name]
    if not field.nullable and column.null_count:
      row = pc.index(pc.is_null(column), True).as_py()
      raise InputError(
          f'A value is missing in column {field.name}.',
          where=f'{where}, {_row(row)}, column {field.name}',
          expected=f'a value of type {field.type} in every row',
          fix='Fill the value in or drop the row.',
      )


def _wrong_columns(
    table: pa.Table, fields: Sequence[pa.Field], where: object
) -> InputError:
  wanted = ', '.join(field.name for field in fields)
  return InputError(
      f'The columns are {", ".join(table.column_names) or "none"}.',
      where=where,
      expected=f'the columns {wanted}',
      fix='Correct the column names, or build the catalog again.',
  )


def check_type(field: pa.Field, wanted: pa.DataType, where: object) -> None:
  """Refuses a column of another type; the names of list fields may differ."""
  if field.type.equals(wanted):
    return
  if pa.types.is_nested(wanted) and pa.table(
      {'x': pa.array([], field.type)}
  ).schema.equals(pa.schema([('x', wanted)])):
    return
  raise InputError(
      f'The column {field.name} has the type {field.type}.',
      where=f'{where}, column {field.name}',
      expected=f'{wanted}',
      fix='Convert the column, or build the catalog again.',
  )


def check_ids(table: pa.Table, name: str, where: object) -> None:
  """Refuses an empty id."""
  empty = pc.equal(table[name], '')
  if pc.any(empty).as_py():
    row = pc.index(empty, True).as_py()
    raise InputError(
        f'The {name} is empty.',
        where=f'{where}, {_row(row)}, column {name}',
        expected='a string of at least one character',
        fix=f'Fill the column {name} or drop the row.',
    )


def _check_times(table: pa.Table, name: str, where: object) -> None:
  """Refuses a time before 1970 or before the user's first interaction."""
  smallest = pc.min(table[name]).as_py()
  if smallest is not None and smallest < 0:
    row = pc.index(table[name], smallest).as_py()
    raise InputError(
        f'The time {smallest} is negative.',
        where=f'{where}, {_row(row)}, column {name}',
        expected='seconds, at least 0',
        fix='Correct the time or drop the row.',
    )


def check_finite(table: pa.Table, name: str, where: object) -> None:
  """Refuses NaN and infinities; a null is a value that is not there."""
  finite = pc.fill_null(pc.is_finite(table[name]), True)
  if not pc.all(finite).as_py():
    row = pc.index(finite, False).as_py()
    value = table[name][row].as_py()
    kind = 'not a number' if math.isnan(value) else 'infinite'
    raise InputError(
        f'The {name} is {kind} ({value}).',
        where=f'{where}, {_row(row)}, column {name}',
        expected='a finite number, or an empty field where there is none',
        fix='Correct the value or leave it empty.',
    )
