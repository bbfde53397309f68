# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reading delimited text and JSON lines strictly, with errors that help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import os
import pathlib
from typing import BinaryIO
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json

from plum_jax.artifacts import errors
from plum_jax.artifacts.errors import InputError

_JSON_BLOCK_BYTES = 1 << 24


def local_path(path: str | os.PathLike[str], what: str) -> pathlib.Path:
  """Returns a path that the user gave, if something is there.

  Args:
    path: the path.
    what: what should be there, for the message.

  Raises:
    InputError: nothing is there.
  """
  path = pathlib.Path(path).expanduser()
  if not path.exists():
    raise InputError(
        'The path does not exist.',
        where=path,
        expected=what,
        fix='Correct the path.',
    )
  return path


@contextlib.contextmanager
def guarded(where: object, expected: str) -> Iterator[None]:
  """Turns what libraries raise over a bad file into one clear error.

  Args:
    where: the file.
    expected: what should be in it.
  """
  broken = (
      pa.ArrowException,
      UnicodeDecodeError,
      zipfile.BadZipFile,
      zlib.error,
      EOFError,
  )
  try:
    yield
  except InputError:
    raise
  except (*broken, OSError) as error:
    # Arrow reports a broken stream as an OSError without a number.
    if isinstance(error, OSError) and error.errno is not None:
      raise errors.from_os_error(error, where) from error
    raise InputError(
        f'The file cannot be read: {str(error) or type(error).__name__}',
        where=where,
        expected=expected,
        fix='Check that the file is whole and of this form.',
    ) from error


def read_delimited(
    source: pathlib.Path | Callable[[], BinaryIO],
    where: object,
    types: Mapping[str, pa.DataType],
    *,
    others: Sequence[str] = (),
    names: Sequence[str] | None = None,
    delimiter: str = ',',
    encoding: str = 'utf8',
    quoted: bool = True,
) -> pa.Table:
  """Reads chosen columns of a delimited text.

  Args:
    source: the file, unpacked by its suffix (.gz, .bz2, .zst), or what opens
      its bytes: a second time too, to find the row of an error.
    where: the file, for messages.
    types: type of each column to return.
    others: columns to return too, with the types that they seem to have.
    names: names of all columns, if the file has no header.
    delimiter: one character.
    encoding: the text's encoding.
    quoted: whether double quotes protect delimiters and line ends.

  Returns:
    The columns of `types` and `others`, in that order. An empty field is an
    empty string, or null in columns of other types.

  Raises:
    InputError: a column is missing, a value is not of its type, rows differ in
      length, or the file is broken.
  """
  parse_options = pa_csv.ParseOptions(
      delimiter=delimiter,
      quote_char='"' if quoted else False,
      newlines_in_values=quoted,
  )
  # NaN must stay NaN, to be refused: only emptiness is null.
  convert_options = pa_csv.ConvertOptions(column_types=types, null_values=[''])

  def read(use_threads: bool) -> pa.Table:
    read_options = pa_csv.ReadOptions(
        column_names=list(names) if names else None,
        encoding=encoding,
        use_threads=use_threads,
    )
    with _open(source) as file:
      return pa_csv.read_csv(file, read_options, parse_options, convert_options)

  with guarded(where, f'text with the columns {", ".join(types)}'):
    try:
      table = read(use_threads=True)
    except pa.ArrowInvalid:
      # Only a single thread counts the rows and can name the bad one.
      table = read(use_threads=False)
  return select(table, [*types, *others], where)


def _open(
    source: pathlib.Path | Callable[[], BinaryIO],
) -> BinaryIO | pa.NativeFile:
  """Opens a file, unpacking it, or calls what opens it."""
  if isinstance(source, pathlib.Path):
    return pa.input_stream(str(source), compression='detect')
  return source()


def read_json_lines(
    path: pathlib.Path, types: Mapping[str, pa.DataType], *, others: bool
) -> pa.Table:
  """Reads a file with one JSON object a line, packed or not.

  Args:
    path: the file; unpacked by its suffix (.gz, .bz2, .zst).
    types: type of each field to read. One that is missing is null.
    others: whether other fields are read too, with the types that they seem
      to have.

  Returns:
    The columns of `types`, then any others.

  Raises:
    InputError: a line is not an object, or a value is not of its type.
  """
  with (
      guarded(path, f'one JSON object a line with {", ".join(types)}'),
      pa.input_stream(str(path), compression='detect') as file,
  ):
    return pa_json.read_json(
        file,
        read_options=pa_json.ReadOptions(block_size=_JSON_BLOCK_BYTES),
        parse_options=pa_json.ParseOptions(
            explicit_schema=pa.schema(list(types.items())),
            unexpected_field_behavior='infer' if others else 'ignore',
        ),
    )


def select(table: pa.Table, names: Sequence[str], where: object) -> pa.Table:
  """Returns the named columns, in that order.

  Raises:
    InputError: one is missing.
  """
  missing = [name for name in names if name not in table.column_names]
  if missing:
    raise InputError(
        f'The column {", ".join(missing)} is missing; the columns are '
        f'{", ".join(table.column_names)}.',
        where=where,
        expected=f'the columns {", ".join(names)}',
        fix='Correct the column names of the file or of the configuration.',
    )
  return table.select(names)


def single_paths(names: pa.ListArray, dropped: Sequence[str] = ()) -> pa.Array:
  """Makes each name of a flat list a category path of its own.

  Args:
    names: list<string> [n], without nulls.
    dropped: names that mean "none", left out beside empty ones.

  Returns:
    list<list<string>> [n], without blanks around names.

  >>> single_paths(pa.array([['x ', 'none', 'y'], []]), ['none']).to_pylist()
  [[['x'], ['y']], []]
  """
  flat = pc.utf8_trim_whitespace(names.flatten())
  keep = ~np.isin(
      flat.to_numpy(zero_copy_only=False).astype(str), ['', *dropped]
  )
  before = np.concatenate(([0], np.cumsum(keep)))
  offsets = names.offsets.to_numpy() - names.offsets[0].as_py()
  flat = flat.filter(pa.array(keep))
  inner = pa.ListArray.from_arrays(
      pa.array(np.arange(len(flat) + 1), pa.int32()), flat
  )
  return pa.ListArray.from_arrays(pa.array(before[offsets], pa.int32()), inner)
