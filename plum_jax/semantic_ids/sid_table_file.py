# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The SID table on disk: one Parquet file."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError

FILE_NAME = 'sid_table.parquet'

_METADATA_KEY = b'plum_jax.sid_table'
# 1 always has a disambiguation code; otherwise it is the same.
_FORMAT, _READABLE = 2, (1, 2)
_DISAMBIGUATION, _NATURAL = 'disambiguation', 'natural_last_code'


@dataclasses.dataclass(frozen=True, eq=False)
class Contents:
  """What the file holds; see `sid_table.SidTable` for each field."""

  item_ids: pa.StringArray
  codes: np.ndarray
  disambiguation: np.ndarray
  natural_last_codes: np.ndarray | None
  codebook_sizes: tuple[int, ...]
  disambiguation_size: int
  tokenizer_hash: str
  version: int


def write(path: str | os.PathLike[str], contents: Contents) -> None:
  """Writes a table.

  Columns: `item_id` string; `codes` list of int32 of fixed length, of the SID;
  `disambiguation` int32, or, without that level, `natural_last_code` int32,
  which the tokenizer gave. Sizes, hash and version are schema metadata.

  Args:
    path: the file to appear.
    contents: what to write.
  """
  metadata = {
      'format': _FORMAT,
      'codebook_sizes': contents.codebook_sizes,
      'disambiguation_size': contents.disambiguation_size,
      'tokenizer_hash': contents.tokenizer_hash,
      'version': contents.version,
  }
  columns = {
      'item_id': contents.item_ids,
      'codes': pa.FixedSizeListArray.from_arrays(
          pa.array(contents.codes.ravel(), pa.int32()),
          len(contents.codebook_sizes),
      ),
  }
  if contents.natural_last_codes is None:
    columns[_DISAMBIGUATION] = pa.array(contents.disambiguation, pa.int32())
  else:
    columns[_NATURAL] = pa.array(contents.natural_last_codes, pa.int32())
  table = pa.table(columns).replace_schema_metadata(
      {_METADATA_KEY: json.dumps(metadata)}
  )
  with atomic.write_file(path) as temporary:
    pq.write_table(table, temporary, compression='zstd')


def read(path: pathlib.Path) -> Contents:
  """Reads a table of any format that was ever written.

  Args:
    path: the file.

  Returns:
    What it holds; columns and their types are checked, values are not.

  Raises:
    InputError: the file cannot be read, or is no SID table.
  """
  try:
    arrow = pq.read_table(path)
  except (OSError, pa.ArrowException) as error:
    raise refuse(f'The file cannot be read: {error}', path) from error
  metadata = _metadata(arrow, path)
  num_levels = len(metadata['codebook_sizes'])
  natural = not metadata['disambiguation_size']
  _check_columns(
      arrow, num_levels, _NATURAL if natural else _DISAMBIGUATION, path
  )
  codes = arrow['codes'].combine_chunks()
  none = np.zeros(len(arrow), np.int32)
  return Contents(
      item_ids=arrow['item_id'].combine_chunks(),
      codes=np.asarray(codes.flatten(), np.int32).reshape(-1, num_levels),
      disambiguation=none if natural else _column(arrow, _DISAMBIGUATION),
      natural_last_codes=_column(arrow, _NATURAL) if natural else None,
      codebook_sizes=tuple(metadata['codebook_sizes']),
      disambiguation_size=metadata['disambiguation_size'],
      tokenizer_hash=metadata['tokenizer_hash'],
      version=metadata['version'],
  )


def _column(arrow: pa.Table, name: str) -> np.ndarray:
  return np.asarray(arrow[name], np.int32)


def refuse(what: str, where: object) -> InputError:
  """Makes the error for what is no SID table."""
  return InputError(
      what,
      where=where,
      expected='a SID table as the stage semantic_ids writes it',
      fix='Run the stage semantic_ids again, or correct the path.',
  )


def _metadata(arrow: pa.Table, path: pathlib.Path) -> dict[str, Any]:
  try:
    metadata = json.loads((arrow.schema.metadata or {})[_METADATA_KEY])
    if metadata['format'] not in _READABLE:
      raise ValueError(f'format {metadata["format"]} is not known')
    metadata['codebook_sizes'] = [int(n) for n in metadata['codebook_sizes']]
    for name in ('disambiguation_size', 'version'):
      metadata[name] = int(metadata[name])
      if metadata[name] < 0:
        raise ValueError(f'{name} is {metadata[name]}')
    metadata['tokenizer_hash'] = str(metadata['tokenizer_hash'])
  except (KeyError, TypeError, ValueError) as error:
    raise refuse(
        f'The schema metadata {_METADATA_KEY.decode()} cannot be used: '
        f'{error!r}.',
        path,
    ) from error
  return metadata


def _shown(columns: dict[str, pa.DataType]) -> str:
  return ', '.join(f'{name}: {kind}' for name, kind in columns.items())


def _check_columns(
    arrow: pa.Table, num_levels: int, further: str, path: pathlib.Path
) -> None:
  """Checks names, types and nulls of the columns."""
  wanted = {
      'item_id': pa.string(),
      'codes': pa.list_(pa.int32(), num_levels),
      further: pa.int32(),
  }
  found = dict(zip(arrow.schema.names, arrow.schema.types, strict=True))
  # Arrow and Parquet name the elements of a list differently.
  if isinstance(found.get('codes'), pa.FixedSizeListType):
    codes = found['codes']
    found['codes'] = pa.list_(codes.value_type, codes.list_size)
  if found != wanted:
    raise InputError(
        f'The columns are {_shown(found)}.',
        where=path,
        expected=f'the columns {_shown(wanted)}',
        fix='Run the stage semantic_ids again, or correct the path.',
    )
  for name in wanted:
    if arrow[name].null_count:
      raise refuse(
          f'{arrow[name].null_count} values are null.',
          f'{path}, column {name}',
      )
