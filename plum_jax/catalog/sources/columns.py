# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chosen columns of a file of any form, as the types of a catalog."""

from __future__ import annotations

from collections.abc import Callable
import pathlib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.sources import reading

_DELIMITERS = {'.csv': ',', '.tsv': '\t'}
_JSON = ('.jsonl', '.ndjson', '.json')
_PACKED = ('.gz', '.bz2', '.zst')
_SUFFIXES = (*_DELIMITERS, *_JSON, '.parquet')
UNITS = {'s': 1, 'ms': 1_000, 'us': 1_000_000, 'ns': 1_000_000_000}


class Columns:
  """The columns of one file: CSV, TSV, JSON lines or Parquet."""

  def __init__(self, path: pathlib.Path, texts: list[str], others: list[str]):
    """Reads the file.

    Args:
      path: the file, whose form follows from its suffix.
      texts: columns that are texts, whatever they look like: an id 007 must
        not become 7.
      others: columns that have the type that the file gives them.

    Raises:
      InputError: the form is not known, a column is missing, or the file
        cannot be read.
    """
    self._path = path
    suffixes = [suffix for suffix in path.suffixes if suffix not in _PACKED]
    suffix = suffixes[-1] if suffixes else ''
    if suffix in _DELIMITERS:
      table = reading.read_delimited(
          path,
          path,
          dict.fromkeys(texts, pa.string()),
          others=others,
          delimiter=_DELIMITERS[suffix],
      )
    elif suffix in _JSON:
      table = reading.read_json_lines(path, {}, others=True)
    elif suffix == '.parquet':
      with reading.guarded(path, 'a Parquet file'):
        table = pq.read_table(path)
    else:
      raise InputError(
          f'The form of the file is not known: {path.name}.',
          where=path,
          expected=f'a name that ends with {", ".join(_SUFFIXES)}',
          fix='Rename or convert the file.',
      )
    self._table = reading.select(
        table, [*texts, *others], path
    ).combine_chunks()

  @property
  def num_rows(self) -> int:
    """The number of rows."""
    return self._table.num_rows

  def __getitem__(self, name: str) -> pa.Array:
    """Returns a column as it is, but for decoded dictionaries."""
    column = self._table[name].combine_chunks()
    if pa.types.is_dictionary(column.type):
      column = column.dictionary_decode()
    if pa.types.is_large_string(column.type):
      column = column.cast(pa.string())
    return column

  def texts(self, name: str) -> pa.Array:
    """Returns a column of texts, or of whole numbers as texts."""
    return self._of_kind(
        name,
        'texts or whole numbers',
        (pa.types.is_string, pa.types.is_integer),
    ).cast(pa.string())

  def numbers(self, name: str) -> pa.Array:
    """Returns a column of numbers as float32."""
    return self._of_kind(
        name, 'numbers', (pa.types.is_floating, pa.types.is_integer)
    ).cast(pa.float32(), safe=False)

  def times(self, name: str, unit: str) -> pa.Array:
    """Returns a column of times as whole seconds, rounded down.

    Args:
      name: a column of dates or timestamps (UTC where they do not say), or of
        numbers.
      unit: the unit of numbers, one of `UNITS`.
    """
    column = self._of_kind(
        name,
        'numbers, dates or timestamps',
        (
            pa.types.is_floating,
            pa.types.is_integer,
            pa.types.is_date,
            pa.types.is_timestamp,
        ),
    )
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
      column = column.cast(pa.timestamp('us'), safe=False)
      return _floor_divide(column.cast(pa.int64()), UNITS['us'])
    if pa.types.is_floating(column.type):
      finite = pc.fill_null(pc.is_finite(column), True)
      if not pc.all(finite).as_py():
        row = pc.index(finite, False).as_py()
        raise InputError(
            f'The time is {column[row].as_py()}.',
            where=f'{self._path}, row {row + 1}, column {name}',
            expected='a finite number',
            fix='Correct the time or drop the row.',
        )
      column = pc.floor(column)
    with reading.guarded(f'{self._path}, column {name}', 'times within int64'):
      return _floor_divide(column.cast(pa.int64()), UNITS[unit])

  def _of_kind(
      self,
      name: str,
      expected: str,
      kinds: tuple[Callable[[pa.DataType], bool], ...],
  ) -> pa.Array:
    """Returns a column of one of the kinds, or of nulls alone."""
    column = self[name]
    if any(is_kind(column.type) for is_kind in (*kinds, pa.types.is_null)):
      return column
    raise InputError(
        f'The column {name} has the type {column.type}.',
        where=f'{self._path}, column {name}',
        expected=expected,
        fix='Correct the values, or name another column.',
    )


def _floor_divide(values: pa.Array, divisor: int) -> pa.Array:
  """Divides int64, rounding down also below zero; null stays null."""
  quotient = pc.divide(values, divisor)
  remainder = pc.subtract(values, pc.multiply(quotient, divisor))
  return pc.subtract(quotient, pc.cast(pc.less(remainder, 0), pa.int64()))
