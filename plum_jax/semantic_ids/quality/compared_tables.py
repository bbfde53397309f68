# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SID tables to compare, from whatever file, in the order of one catalog."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import json
import os
import pathlib

import numpy as np
import pyarrow as pa
from pyarrow import csv
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import sid_table

TABLE_FILE = 'sid_table.parquet'
QUALITY_FILE = 'quality.json'
# A plain number, or one behind a name, as published tables write it: <a_183>.
_CODE = r'^<?(?:\w*_)?(?P<code>[0-9]{1,9})>?$'
_FORMS = (
    'a folder semantic_ids/ of a run, a sid_table.parquet, or a .tsv file with '
    'item_id<TAB>codes'
)


@dataclasses.dataclass(frozen=True, eq=False)
class ComparedTable:
  """A SID table, its rows in the order of the catalog.

  Attributes:
    name: how pages call it.
    source: the path that it was read from.
    codes: int32 [num_items, num_levels], before collisions were resolved.
    full_codes: int32 [num_items, at least num_levels], what models see.
    codebook_sizes: codes per level.
    codebook_sizes_known: False if they are no more than the largest code + 1.
    reconstruction_errors: from the first 1, 2, ... levels; None if unknown.
    num_ignored: items of the table that the catalog lacks.
  """

  name: str
  source: str
  codes: np.ndarray
  full_codes: np.ndarray
  codebook_sizes: tuple[int, ...]
  codebook_sizes_known: bool = True
  reconstruction_errors: tuple[float, ...] | None = None
  num_ignored: int = 0

  @property
  def num_levels(self) -> int:
    """Number of levels."""
    return self.codes.shape[1]

  @property
  def num_moved(self) -> int:
    """Items that resolving collisions gave another code of some level."""
    final = self.full_codes[:, : self.num_levels]
    return int(np.any(final != self.codes, axis=1).sum())


def load(
    path: str | os.PathLike[str], item_ids: Sequence[str] | pa.Array
) -> ComparedTable:
  """Reads a table.

  Args:
    path: a folder that the stage `semantic_ids` left, its `sid_table.parquet`
      alone, or a `.tsv` file: item id, tab, codes with spaces or commas
      between them. A code is a number, or one behind a name and an underscore,
      in angle brackets or not.
    item_ids: of the catalog.

  Returns:
    The table. Of a file alone no reconstruction error is known.

  Raises:
    InputError: there is no such file, it cannot be read, an item comes twice,
      or one of the catalog is missing.
  """
  path = pathlib.Path(path)
  wanted = pa.array(item_ids, pa.string())
  if path.is_dir():
    return _load_folder(path, wanted)
  if not path.is_file():
    raise InputError(
        'There is no such SID table.',
        where=path,
        expected=_FORMS,
        fix='Correct the path.',
    )
  if path.suffix == '.parquet':
    return _from_sid_table(sid_table.load(path), path.stem, path, wanted)
  if path.suffix == '.tsv':
    return _load_tsv(path, wanted)
  raise InputError(
      f'Files that end in {path.suffix!r} are not known.',
      where=path,
      expected=_FORMS,
      fix='Give the file the ending of its form.',
  )


def _load_folder(path: pathlib.Path, wanted: pa.Array) -> ComparedTable:
  table = sid_table.load(path / TABLE_FILE)
  found = _from_sid_table(table, path.resolve().parent.name, path, wanted)
  try:
    figures = json.loads((path / QUALITY_FILE).read_text(encoding='utf-8'))
    errors = tuple(
        float(figures[f'semantic_ids/reconstruction_error_level_{level + 1}'])
        for level in range(table.num_levels)
    )
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise InputError(
        f'The reconstruction errors cannot be read: {error!r}.',
        where=path / QUALITY_FILE,
        expected='the JSON object that the stage semantic_ids writes',
        fix=f'Run the stage again, or name {TABLE_FILE} instead of its folder.',
    ) from error
  return dataclasses.replace(found, reconstruction_errors=errors)


def _from_sid_table(
    table: sid_table.SidTable,
    name: str,
    path: pathlib.Path,
    wanted: pa.Array,
) -> ComparedTable:
  rows = _rows_of(wanted, table.item_ids, path)
  return ComparedTable(
      name=name,
      source=str(path),
      codes=table.tokenizer_codes[rows],
      full_codes=table.full_codes[rows],
      codebook_sizes=table.codebook_sizes,
      num_ignored=table.num_items - len(rows),
  )


def _rows_of(
    wanted: pa.Array, item_ids: pa.Array, path: pathlib.Path
) -> np.ndarray:
  """Finds the catalog's items among those of a table."""
  found = pc.index_in(wanted, value_set=item_ids)
  if found.null_count:
    position = pc.index(pc.is_null(found), True).as_py()
    raise InputError(
        f'{found.null_count} of the {len(wanted)} items of the catalog are not '
        f'in the table; the first is {wanted[position].as_py()!r}.',
        where=path,
        expected='a Semantic ID for every item of the catalog',
        fix='Compare tables of the same items, or assign Semantic IDs to the '
        'missing ones first.',
    )
  return np.asarray(found, np.int64)


def _load_tsv(path: pathlib.Path, wanted: pa.Array) -> ComparedTable:
  try:
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=['item_id', 'codes']),
        parse_options=csv.ParseOptions(delimiter='\t', quote_char=False),
        convert_options=csv.ConvertOptions(
            column_types={'item_id': pa.string(), 'codes': pa.string()},
            strings_can_be_null=False,
        ),
    )
  except (OSError, pa.ArrowException) as error:
    raise _refuse_tsv(f'The file cannot be read: {error}', path) from error
  item_ids = table['item_id'].combine_chunks()
  first = np.asarray(pc.index_in(item_ids, value_set=item_ids))
  repeated = np.flatnonzero(first != np.arange(len(first)))
  if len(repeated):
    row = int(repeated[0])
    raise _refuse_tsv(
        f'The item {item_ids[row].as_py()!r} is also in line {first[row] + 1}.',
        f'{path}, line {row + 1}',
    )
  codes = _parse_codes(table['codes'].combine_chunks(), path)
  rows = _rows_of(wanted, item_ids, path)
  sizes = tuple(int(size) for size in codes.max(axis=0) + 1)
  return ComparedTable(
      name=path.stem,
      source=str(path),
      codes=codes[rows],
      full_codes=codes[rows],
      codebook_sizes=sizes,
      codebook_sizes_known=False,
      num_ignored=len(codes) - len(rows),
  )


def _parse_codes(texts: pa.Array, path: pathlib.Path) -> np.ndarray:
  """Reads codes, int32 [num_rows, num_levels]."""
  spaced = pc.replace_substring_regex(texts, r'[,\s]+', ' ')
  parts = pc.split_pattern(pc.utf8_trim_whitespace(spaced), ' ')
  lengths = np.asarray(pc.list_value_length(parts))
  # A string that does not match gives null.
  numbers = pc.struct_field(pc.extract_regex(parts.flatten(), _CODE), [0])
  if numbers.null_count:
    position = pc.index(pc.is_null(numbers), True).as_py()
    row = int(np.searchsorted(np.cumsum(lengths), position, side='right'))
    raise _refuse_tsv(
        f'{parts.flatten()[position].as_py()!r} is no code.',
        f'{path}, line {row + 1}',
    )
  if np.any(lengths != lengths[0]):
    row = int(np.argmax(lengths != lengths[0]))
    raise _refuse_tsv(
        f'There are {lengths[row]} codes, and {lengths[0]} in the first line.',
        f'{path}, line {row + 1}',
    )
  codes = np.asarray(numbers.cast(pa.int32()))
  return codes.reshape(len(lengths), int(lengths[0]))


def _refuse_tsv(what: str, where: object) -> InputError:
  return InputError(
      what,
      where=where,
      expected='one line an item: its id, a tab, and as many codes as in all '
      'other lines, with spaces or commas between them',
      fix='Correct the file.',
  )


def name_apart(tables: Sequence[ComparedTable]) -> list[ComparedTable]:
  """Numbers the names that come several times.

  Args:
    tables: in any order.

  Returns:
    The same, with names of their own.
  """
  taken: set[str] = set()
  named = []
  for table in tables:
    name, number = table.name, 2
    while name in taken:
      name, number = f'{table.name} ({number})', number + 1
    taken.add(name)
    named.append(dataclasses.replace(table, name=name))
  return named
