# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What MovieLens says of its users: age, gender, occupation; 100k and 1m."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import users

# The file of users by the file of ratings beside it. The other sizes have none.
FILES: Mapping[str, str] = {
    'u.data': 'u.user',
    'ml-100k.inter': 'ml-100k.user',
    'ratings.dat': 'users.dat',
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    'u.user': ('user_id', 'age', 'gender', 'occupation', 'zip_code'),
    'ml-100k.user': (
        'user_id:token',
        'age:token',
        'gender:token',
        'occupation:token',
        'zip_code:token',
    ),
    'users.dat': ('user_id', 'gender', 'age', 'occupation', 'zip_code'),
}
# 1m numbers occupations; the names are those of its README.
_OCCUPATIONS = (
    'other',
    'academic/educator',
    'artist',
    'clerical/admin',
    'college/grad student',
    'customer service',
    'doctor/health care',
    'executive/managerial',
    'farmer',
    'homemaker',
    'K-12 student',
    'lawyer',
    'programmer',
    'retired',
    'sales/marketing',
    'scientist',
    'self-employed',
    'technician/engineer',
    'tradesman/craftsman',
    'unemployed',
    'writer',
)


def types(name: str) -> dict[str, pa.DataType]:
  """Returns the columns of a file of users, in its order, with their types."""
  return {
      column: pa.float32() if column.startswith('age') else pa.string()
      for column in COLUMNS[name]
  }


def make(table: pa.Table, where: object) -> pa.Table:
  """Makes the user table; zip codes, which name places, are left out.

  Args:
    table: columns as in `COLUMNS`.
    where: the file, for messages.

  Returns:
    A user table with the texts `gender` and `occupation` and the number `age`:
    years in 100k, the first year of a range in 1m.

  Raises:
    InputError: an occupation has a number without a name.

  >>> make(pa.table({'user_id': ['1'], 'gender': ['F'],
  ...                'age': pa.array([25], pa.float32()),
  ...                'occupation': ['15'], 'zip_code': ['0']}), '').to_pylist()
  [{'user_id': '1', 'gender': 'F', 'occupation': 'scientist', 'age': 25.0}]
  """
  columns = {
      name.split(':')[0]: table[name].combine_chunks()
      for name in table.column_names
  }
  return users.make_users(
      columns['user_id'],
      texts={
          'gender': columns['gender'],
          'occupation': _occupations(columns['occupation'], where),
      },
      numbers={'age': columns['age']},
  )


def _occupations(column: pa.Array, where: object) -> pa.Array:
  """Puts names in the place of numbers."""
  numbers = {str(n): name for n, name in enumerate(_OCCUPATIONS)}
  names = []
  for row, value in enumerate(column.to_pylist()):
    if value.isdigit() and value not in numbers:
      raise InputError(
          f'There is no occupation {value}.',
          where=f'{where}, row {row + 1}',
          expected=f'a name, or a number up to {len(numbers) - 1}',
          fix='Take the file as MovieLens publishes it.',
      )
    names.append(numbers.get(value, value))
  return pa.array(names, pa.string())
