# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files of histories, and of recommendations: Parquet or JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import glob
import json
import os
import pathlib

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError

PARQUET, JSON_LINES = '.parquet', '.jsonl'
_FORMATS = (PARQUET, JSON_LINES)
_HISTORY, _USER = 'history', 'user_id'
_ITEMS = pa.list_(pa.string())
# A row of JSON must fit into a block.
_BLOCK_BYTES = 1 << 24


def find(pattern: str) -> list[pathlib.Path]:
  """Lists the files of a pattern.

  Args:
    pattern: a path, with `*` and `?` if it is to stand for several files.

  Returns:
    The files, in the order of their names.

  Raises:
    InputError: there is none, one is of another format, or two have the same
      name.
  """
  paths = [pathlib.Path(path) for path in sorted(glob.glob(pattern))]
  for path in paths:
    if path.suffix not in _FORMATS or not path.is_file():
      raise InputError(
          'The histories are of no known format.',
          where=path,
          expected=f'files that end with {" or ".join(_FORMATS)}',
          fix='Convert it, or narrow --input.',
      )
  names = [path.stem for path in paths]
  if not paths or len(set(names)) < len(names):
    raise InputError(
        'No files match.' if not paths else 'Two files have the same name.',
        where=pattern,
        expected='files with histories, each with a name of its own',
        fix='Correct --input.',
    )
  return paths


def num_rows(path: pathlib.Path) -> int:
  """Counts rows; of JSON lines the lines.

  Raises:
    InputError: the file cannot be read.
  """
  with _readable(path):
    if path.suffix == PARQUET:
      return pq.read_metadata(path).num_rows
    with open(path, 'rb') as file:
      blocks = iter(lambda: file.read(_BLOCK_BYTES), b'')
      return sum(block.count(b'\n') for block in blocks)


def read(path: pathlib.Path, chunk_rows: int) -> Iterator[pa.Table]:
  """Reads histories piece by piece.

  Args:
    path: Parquet, or JSON lines; a row has `history`, a list of item ids,
      oldest first (null is an empty one), and perhaps `user_id`, a string.
      Whatever else is there is not read.
    chunk_rows: rows of a piece of Parquet, at most.

  Yields:
    Tables with `history` list<string> and, if it is there, `user_id` string; an
    empty one if there are no rows.

  Raises:
    InputError: the file cannot be read, or a column is missing or of another
      type.
  """
  with _readable(path):
    if path.suffix == PARQUET:
      yield from _read_parquet(path, chunk_rows)
    elif path.stat().st_size:
      yield from _read_json(path, chunk_rows)
    else:
      yield pa.schema({_HISTORY: _ITEMS}).empty_table()


def _read_parquet(path: pathlib.Path, chunk_rows: int) -> Iterator[pa.Table]:
  with pq.ParquetFile(path) as file:
    found = file.schema_arrow.names
    if _HISTORY not in found:
      raise _no_history(path)
    wanted = [name for name in (_USER, _HISTORY) if name in found]
    for batch in file.iter_batches(chunk_rows, columns=wanted):
      yield _cast(pa.Table.from_batches([batch]).select(wanted))
    if not file.metadata.num_rows:
      yield _cast(file.schema_arrow.empty_table().select(wanted))


def _read_json(path: pathlib.Path, chunk_rows: int) -> Iterator[pa.Table]:
  schema = pa.schema({_HISTORY: _ITEMS})
  with open(path, 'rb') as file:
    # One column more must not appear in the middle of a file.
    if _USER in json.loads(file.readline()):
      schema = pa.schema({_USER: pa.string(), _HISTORY: _ITEMS})
  reader = pyarrow.json.open_json(
      path,
      pyarrow.json.ReadOptions(block_size=_BLOCK_BYTES),
      pyarrow.json.ParseOptions(
          explicit_schema=schema, unexpected_field_behavior='ignore'
      ),
  )
  with reader:
    for block in reader:
      table = pa.Table.from_batches([block])
      for start in range(0, len(table), chunk_rows):
        yield _cast(table.slice(start, chunk_rows))


def _cast(table: pa.Table) -> pa.Table:
  types = {_USER: pa.string(), _HISTORY: _ITEMS}
  return table.cast(pa.schema({n: types[n] for n in table.column_names}))


@contextlib.contextmanager
def _readable(path: pathlib.Path) -> Iterator[None]:
  """Says in plain words what is wrong with a file."""
  try:
    yield
  except InputError:
    raise
  except (OSError, ValueError, TypeError, pa.ArrowException) as error:
    raise InputError(
        f'The histories cannot be read: {error}',
        where=path,
        expected='rows with history, a list of strings, and user_id, a string, '
        'or no user_id at all',
        fix='Correct the file.',
    ) from error


def _no_history(path: pathlib.Path) -> InputError:
  return InputError(
      'There is no column history.',
      where=path,
      expected='a column history with lists of item ids',
      fix='Rename the column.',
  )


@contextlib.contextmanager
def write(
    path: str | os.PathLike[str],
) -> Iterator[Callable[[pa.Table], None]]:
  """Opens a file that appears whole or not at all.

  Args:
    path: the file; its name says the format.

  Yields:
    A function that adds rows; all tables must have the same columns.
  """
  path = pathlib.Path(path)
  with (
      atomic.write_file(path) as temporary,
      contextlib.ExitStack() as stack,
  ):
    if path.suffix == JSON_LINES:
      file = stack.enter_context(open(temporary, 'w', encoding='utf-8'))

      def add_lines(table: pa.Table) -> None:
        # Arrow writes no JSON.
        for row in table.to_pylist():
          file.write(json.dumps(row, ensure_ascii=False) + '\n')

      yield add_lines
      return
    writers: list[pq.ParquetWriter] = []

    def add(table: pa.Table) -> None:
      if not writers:
        writer = pq.ParquetWriter(temporary, table.schema, compression='zstd')
        writers.append(stack.enter_context(writer))
      writers[0].write_table(table)

    yield add
