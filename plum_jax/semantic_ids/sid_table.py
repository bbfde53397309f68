# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The SID table: which item has which Semantic ID, both ways, on disk."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import prefix_index
from plum_jax.semantic_ids import tokenizer as tokenizers

_METADATA_KEY = b'plum_jax.sid_table'
_FORMAT = 1
_MIN_DISAMBIGUATION_SIZE = 16


@dataclasses.dataclass(frozen=True, eq=False)
class SidTable:
  """Items and their Semantic IDs, in the order of the catalog.

  The full SID is an item's codes and then its disambiguation code, which is
  always there, as in TIGER (section 3.1): 0 for an item whose codes no earlier
  item has, else the number of earlier items with the same codes.

  Attributes:
    item_ids: string [num_items], unique.
    codes: int32 [num_items, num_levels].
    disambiguation: int32 [num_items].
    codebook_sizes: codes per level, without the disambiguation code.
    disambiguation_size: room of the last level.
    tokenizer_hash: of the tokenizer that gave the codes.
    version: 1 for a table made anew; one more each time items are added.
  """

  item_ids: pa.StringArray
  codes: np.ndarray
  disambiguation: np.ndarray
  codebook_sizes: tuple[int, ...]
  disambiguation_size: int
  tokenizer_hash: str
  version: int = 1

  @property
  def num_items(self) -> int:
    """Number of items."""
    return len(self.codes)

  @property
  def num_levels(self) -> int:
    """Number of levels, without the disambiguation code."""
    return len(self.codebook_sizes)

  @property
  def level_sizes(self) -> tuple[int, ...]:
    """Codes per level of the full SID."""
    return (*self.codebook_sizes, self.disambiguation_size)

  @functools.cached_property
  def full_codes(self) -> np.ndarray:
    """Full SIDs, int32 [num_items, num_levels + 1]."""
    return np.concatenate([self.codes, self.disambiguation[:, None]], axis=1)

  @functools.cached_property
  def _index(self) -> prefix_index.PrefixIndex:
    return prefix_index.PrefixIndex(self.full_codes, self.level_sizes)

  def item_rows(self, item_ids: Sequence[str] | pa.Array) -> np.ndarray:
    """Finds items by their ids.

    Args:
      item_ids: [n].

    Returns:
      Item numbers int64 [n]; -1 where the table has no such item.
    """
    wanted = pa.array(item_ids, pa.string())
    rows = pc.index_in(wanted, value_set=self.item_ids)
    return np.asarray(pc.fill_null(rows, -1), np.int64)

  def sids_of(self, item_ids: Sequence[str] | pa.Array) -> np.ndarray:
    """Gives the full SIDs of items.

    Args:
      item_ids: [n], all of them in the table.

    Returns:
      int32 [n, num_levels + 1].

    Raises:
      InputError: the table has no such item.
    """
    rows = self.item_rows(item_ids)
    if np.any(rows < 0):
      unknown = item_ids[int(np.argmin(rows))]
      raise InputError(
          f'The item {str(unknown)!r} has no Semantic ID.',
          where='SID table',
          expected='an item of the catalog that the table was made from',
          fix='Correct the item id, or assign Semantic IDs to new items first.',
      )
    return self.full_codes[rows]

  def rows_of_sids(self, full_codes: np.ndarray) -> np.ndarray:
    """Finds items by their full SIDs.

    Args:
      full_codes: int [..., num_levels + 1].

    Returns:
      Item numbers int64 [...]; -1 where no item has this SID.
    """
    return self._index.find(full_codes)

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes the table as one Parquet file.

    Columns: `item_id` string, `codes` list of int32 of fixed length,
    `disambiguation` int32. Sizes, hash and version are schema metadata.

    Args:
      path: the file to appear.
    """
    metadata = {
        'format': _FORMAT,
        'codebook_sizes': self.codebook_sizes,
        'disambiguation_size': self.disambiguation_size,
        'tokenizer_hash': self.tokenizer_hash,
        'version': self.version,
    }
    table = pa.table(
        {
            'item_id': self.item_ids,
            'codes': pa.FixedSizeListArray.from_arrays(
                pa.array(self.codes.ravel(), pa.int32()), self.num_levels
            ),
            'disambiguation': pa.array(self.disambiguation, pa.int32()),
        }
    ).replace_schema_metadata({_METADATA_KEY: json.dumps(metadata)})
    with atomic.write_file(path) as temporary:
      pq.write_table(table, temporary, compression='zstd')


def make(
    item_ids: Sequence[str] | pa.Array,
    codes: np.ndarray,
    *,
    codebook_sizes: Sequence[int],
    tokenizer_hash: str,
    disambiguation_size: int | None = None,
) -> SidTable:
  """Makes a table from codes: counts collisions, checks everything.

  Args:
    item_ids: string [num_items], in the order of the catalog.
    codes: int32 [num_items, num_levels].
    codebook_sizes: codes per level.
    tokenizer_hash: of the tokenizer that gave the codes.
    disambiguation_size: room of the last level. None for twice the largest
      collision group, rounded up to a power of 2 and at least 16, so that
      items added later find a place without a new vocabulary: our choice.

  Returns:
    The table.

  Raises:
    InputError: ids and codes of different number, an id twice or empty, a code
      out of range, or a collision group that exceeds `disambiguation_size`.

  >>> table = make(['a', 'b', 'c'], np.array([[1, 0], [0, 1], [1, 0]]),
  ...              codebook_sizes=(2, 2), tokenizer_hash='')
  >>> table.sids_of(['c']).tolist(), table.rows_of_sids([[1, 0, 1]]).tolist()
  ([[1, 0, 1]], [2])
  """
  codes = np.ascontiguousarray(codes, np.int32)
  disambiguation = prefix_index.rank_within_groups(codes)
  largest = int(disambiguation.max(initial=0)) + 1
  if disambiguation_size is None:
    disambiguation_size = max(
        _MIN_DISAMBIGUATION_SIZE, 1 << (2 * largest - 1).bit_length()
    )
  if largest > disambiguation_size:
    raise InputError(
        f'{largest} items have the same codes, more than the disambiguation '
        'code can tell apart.',
        where='disambiguation_size',
        expected=f'at least {largest}, got {disambiguation_size}',
        fix='Raise it, or train a tokenizer with more codes or levels.',
    )
  table = SidTable(
      item_ids=_string_array(item_ids),
      codes=codes,
      disambiguation=disambiguation,
      codebook_sizes=tuple(int(size) for size in codebook_sizes),
      disambiguation_size=disambiguation_size,
      tokenizer_hash=tokenizer_hash,
  )
  _check(table, 'SID table being made')
  return table


def load(
    path: str | os.PathLike[str],
    *,
    tokenizer_directory: str | os.PathLike[str] | None = None,
) -> SidTable:
  """Reads a table and checks it.

  Args:
    path: a file that `SidTable.save` wrote.
    tokenizer_directory: the tokenizer that the table is about to be used with.

  Returns:
    The table.

  Raises:
    InputError: the file cannot be read or is no SID table; an item or a full
      SID is there twice; a code is out of range; or the table was made with
      another tokenizer.
  """
  path = pathlib.Path(path)
  try:
    arrow = pq.read_table(path)
  except (OSError, pa.ArrowException) as error:
    raise _refuse(f'The file cannot be read: {error}', path) from error
  metadata = _metadata(arrow, path)
  num_levels = len(metadata['codebook_sizes'])
  _check_columns(arrow, num_levels, path)
  codes = arrow['codes'].combine_chunks()
  table = SidTable(
      item_ids=_string_array(arrow['item_id'].combine_chunks()),
      codes=np.asarray(codes.flatten(), np.int32).reshape(-1, num_levels),
      disambiguation=np.asarray(arrow['disambiguation'], np.int32),
      codebook_sizes=tuple(metadata['codebook_sizes']),
      disambiguation_size=metadata['disambiguation_size'],
      tokenizer_hash=metadata['tokenizer_hash'],
      version=metadata['version'],
  )
  _check(table, path)
  if tokenizer_directory is not None:
    check_tokenizer(table, path, tokenizer_directory)
  return table


def check_tokenizer(
    table: SidTable,
    path: str | os.PathLike[str],
    tokenizer_directory: str | os.PathLike[str],
) -> None:
  """Refuses a table that belongs to another tokenizer.

  Args:
    table: the table.
    path: its file, for the message.
    tokenizer_directory: the tokenizer's folder.

  Raises:
    InputError: the hashes differ; both files are named.
  """
  found = tokenizers.tokenizer_hash(tokenizer_directory)
  if found != table.tokenizer_hash:
    raise InputError(
        f'The SID table {path} was not made with the tokenizer '
        f'{tokenizer_directory}.',
        where=f'{path}, tokenizer_hash',
        expected=f'{found}, got {table.tokenizer_hash}',
        fix='Take table and tokenizer from one run of the stage semantic_ids.',
    )


def _string_array(values: Any) -> pa.StringArray:
  array = values if isinstance(values, pa.Array) else pa.array(values)
  if isinstance(array, pa.ChunkedArray):
    array = array.combine_chunks()
  return array.cast(pa.string())


def _refuse(what: str, where: object) -> InputError:
  return InputError(
      what,
      where=where,
      expected='a SID table as the stage semantic_ids writes it',
      fix='Run the stage semantic_ids again, or correct the path.',
  )


def _metadata(arrow: pa.Table, path: pathlib.Path) -> dict[str, Any]:
  try:
    metadata = json.loads((arrow.schema.metadata or {})[_METADATA_KEY])
    if metadata['format'] != _FORMAT:
      raise ValueError(f'format {metadata["format"]} is not known')
    metadata['codebook_sizes'] = [int(n) for n in metadata['codebook_sizes']]
    for name in ('disambiguation_size', 'version'):
      metadata[name] = int(metadata[name])
    metadata['tokenizer_hash'] = str(metadata['tokenizer_hash'])
  except (KeyError, TypeError, ValueError) as error:
    raise _refuse(
        f'The schema metadata {_METADATA_KEY.decode()} cannot be used: '
        f'{error!r}.',
        path,
    ) from error
  return metadata


def _shown(columns: dict[str, pa.DataType]) -> str:
  return ', '.join(f'{name}: {kind}' for name, kind in columns.items())


def _check_columns(
    arrow: pa.Table, num_levels: int, path: pathlib.Path
) -> None:
  """Checks names, types and nulls of the columns."""
  wanted = {
      'item_id': pa.string(),
      'codes': pa.list_(pa.int32(), num_levels),
      'disambiguation': pa.int32(),
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
      raise _refuse(
          f'{arrow[name].null_count} values are null.',
          f'{path}, column {name}',
      )


def _check(table: SidTable, where: object) -> None:
  """Checks the values; the first offending row is named."""
  lengths = {len(table.item_ids), len(table.codes), len(table.disambiguation)}
  if len(lengths) != 1 or table.codes.shape[1:] != (table.num_levels,):
    raise _refuse(
        f'{len(table.item_ids)} item ids do not go with codes of shape '
        f'{table.codes.shape} for {table.num_levels} levels.',
        where,
    )
  empty = np.asarray(pc.equal(table.item_ids, ''))
  if empty.any():
    raise _refuse(
        f'The item id of row {int(np.argmax(empty))} is empty.', where
    )
  rows = table.item_rows(table.item_ids)
  repeated = np.flatnonzero(rows != np.arange(table.num_items))
  if len(repeated):
    row = int(repeated[0])
    raise _refuse(
        f'The item {table.item_ids[row].as_py()!r} is in rows {rows[row]} and '
        f'{row}.',
        where,
    )
  sizes = np.asarray(table.level_sizes)
  wrong = np.argwhere(
      (table.full_codes < 0) | (table.full_codes >= sizes[None])
  )
  if len(wrong):
    row, level = (int(i) for i in wrong[0])
    raise InputError(
        f'The code {table.full_codes[row, level]} of level {level + 1} is out '
        'of range.',
        where=f'{where}, row {row}',
        expected=f'0 to {sizes[level] - 1}',
        fix='Run the stage semantic_ids again, or correct the path.',
    )
  first = table.rows_of_sids(table.full_codes)
  repeated = np.flatnonzero(first != np.arange(table.num_items))
  if len(repeated):
    row = int(repeated[0])
    raise _refuse(
        f'The items {table.item_ids[int(first[row])].as_py()!r} and '
        f'{table.item_ids[row].as_py()!r} have the same full SID '
        f'{tuple(table.full_codes[row].tolist())}.',
        where,
    )
