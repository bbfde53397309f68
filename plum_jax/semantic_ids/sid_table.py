# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The SID table: which item has which Semantic ID, both ways."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import functools
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import prefix_index
from plum_jax.semantic_ids import sid_table_file
from plum_jax.semantic_ids import tokenizer as tokenizers

_MIN_DISAMBIGUATION_SIZE = 16


@dataclasses.dataclass(frozen=True, eq=False)
class SidTable:
  """Items and their Semantic IDs, in the order of the catalog.

  Collisions are resolved in one of two ways (see `collisions`):
  * by a disambiguation code, the last level of the full SID and always there,
    as in TIGER (section 3.1): 0 for an item whose codes no earlier item has,
    else the lowest number that no earlier item with the same codes has;
  * by the nearest free code of the last level. There is no further level,
    `disambiguation_size` is 0, and the tokenizer's own last codes are kept
    beside.

  Attributes:
    item_ids: string [num_items], unique.
    codes: int32 [num_items, num_levels], of the SID.
    disambiguation: int32 [num_items]; zeros without that level.
    codebook_sizes: codes per level, without the disambiguation code.
    disambiguation_size: room of the last level; 0 if there is none.
    tokenizer_hash: of the tokenizer that gave the codes.
    natural_last_codes: int32 [num_items], what the tokenizer gave as last code
      before another item's was in the way; None if there is a disambiguation
      code, which leaves the codes as they are.
    version: 1 for a table made anew; one more each time items are added.
  """

  item_ids: pa.StringArray
  codes: np.ndarray
  disambiguation: np.ndarray
  codebook_sizes: tuple[int, ...]
  disambiguation_size: int
  tokenizer_hash: str
  natural_last_codes: np.ndarray | None = None
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
  def collisions(self) -> str:
    """How collisions were resolved: one of `collisions.KINDS`."""
    if self.disambiguation_size:
      return collisions.DISAMBIGUATION
    return collisions.NEAREST_FREE

  @property
  def level_sizes(self) -> tuple[int, ...]:
    """Codes per level of the full SID."""
    if not self.disambiguation_size:
      return self.codebook_sizes
    return (*self.codebook_sizes, self.disambiguation_size)

  @functools.cached_property
  def full_codes(self) -> np.ndarray:
    """Full SIDs, int32 [num_items, len(level_sizes)]."""
    if not self.disambiguation_size:
      return self.codes
    return np.concatenate([self.codes, self.disambiguation[:, None]], axis=1)

  @functools.cached_property
  def tokenizer_codes(self) -> np.ndarray:
    """Codes before collisions were resolved, int32 [num_items, num_levels]."""
    if self.natural_last_codes is None:
      return self.codes
    return np.concatenate(
        [self.codes[:, :-1], self.natural_last_codes[:, None]], axis=1
    )

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
      int32 [n, len(level_sizes)].

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
      full_codes: int [..., len(level_sizes)].

    Returns:
      Item numbers int64 [...]; -1 where no item has this SID.
    """
    return self._index.find(full_codes)

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes the table as one Parquet file; see `sid_table_file.write`.

    Args:
      path: the file to appear.
    """
    sid_table_file.write(
        path,
        sid_table_file.Contents(
            item_ids=self.item_ids,
            codes=self.codes,
            disambiguation=self.disambiguation,
            natural_last_codes=self.natural_last_codes,
            codebook_sizes=self.codebook_sizes,
            disambiguation_size=self.disambiguation_size,
            tokenizer_hash=self.tokenizer_hash,
            version=self.version,
        ),
    )


def make(
    item_ids: Sequence[str] | pa.Array,
    codes: np.ndarray,
    *,
    codebook_sizes: Sequence[int],
    tokenizer_hash: str,
    disambiguation_size: int | None = None,
    next_codes: collisions.NextCodes | None = None,
) -> SidTable:
  """Makes a table from codes: resolves collisions, checks everything.

  Args:
    item_ids: string [num_items], in the order of the catalog.
    codes: int32 [num_items, num_levels], as the tokenizer gave them.
    codebook_sizes: codes per level.
    tokenizer_hash: of the tokenizer that gave the codes.
    disambiguation_size: room of the last level. None for twice the largest
      collision group, rounded up to a power of 2 and at least 16, so that
      items added later find a place without a new vocabulary: our choice.
    next_codes: if given, items get the nearest free code of the last level
      instead; see `collisions.nearest_free`.

  Returns:
    The table.

  Raises:
    InputError: ids and codes of different number, an id twice or empty, a code
      out of range, a collision group that exceeds `disambiguation_size`, or
      more items with the same first codes than the last level has codes.

  >>> table = make(['a', 'b', 'c'], np.array([[1, 0], [0, 1], [1, 0]]),
  ...              codebook_sizes=(2, 2), tokenizer_hash='')
  >>> table.sids_of(['c']).tolist(), table.rows_of_sids([[1, 0, 1]]).tolist()
  ([[1, 0, 1]], [2])
  """
  codes = np.ascontiguousarray(codes, np.int32)
  none = np.zeros(len(codes), np.int32)
  # Checked first: resolving collisions counts on codes in range.
  table = SidTable(
      item_ids=string_array(item_ids),
      codes=codes,
      disambiguation=none,
      codebook_sizes=tuple(int(size) for size in codebook_sizes),
      disambiguation_size=0,
      tokenizer_hash=tokenizer_hash,
  )
  check_rows(table, 'SID table being made')
  if next_codes is None:
    disambiguation = collisions.disambiguation_codes(codes)
    table = dataclasses.replace(
        table,
        disambiguation=disambiguation,
        disambiguation_size=_room(disambiguation, disambiguation_size),
    )
  else:
    last = collisions.nearest_free(codes, table.codebook_sizes[-1], next_codes)
    table = dataclasses.replace(
        table,
        codes=np.concatenate([codes[:, :-1], last[:, None]], axis=1),
        natural_last_codes=codes[:, -1],
    )
  check(table, 'SID table being made')
  return table


def _room(disambiguation: np.ndarray, wanted: int | None) -> int:
  """Decides how many disambiguation codes there are."""
  largest = int(disambiguation.max(initial=0)) + 1
  if wanted is None:
    return max(_MIN_DISAMBIGUATION_SIZE, 1 << (2 * largest - 1).bit_length())
  if largest > wanted:
    raise InputError(
        f'{largest} items have the same codes, more than the disambiguation '
        'code can tell apart.',
        where='disambiguation_size',
        expected=f'at least {largest}, got {wanted}',
        fix='Raise it, or train a tokenizer with more codes or levels.',
    )
  return wanted


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
  contents = sid_table_file.read(path)
  table = SidTable(
      **{
          field.name: getattr(contents, field.name)
          for field in dataclasses.fields(contents)
      }
  )
  check(table, path)
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


def string_array(values: Any) -> pa.StringArray:
  """Makes one Arrow array of strings, from a list or Arrow's own."""
  array = values if isinstance(values, pa.Array) else pa.array(values)
  if isinstance(array, pa.ChunkedArray):
    array = array.combine_chunks()
  return array.cast(pa.string())


def check(table: SidTable, where: object) -> None:
  """Checks a table's values.

  Args:
    table: the table.
    where: what it is, for the message.

  Raises:
    InputError: an item or a full SID is there twice, a code is out of range;
      the first offending row is named.
  """
  check_rows(table, where)
  first = table.rows_of_sids(table.full_codes)
  repeated = np.flatnonzero(first != np.arange(table.num_items))
  if len(repeated):
    row = int(repeated[0])
    raise sid_table_file.refuse(
        f'The items {table.item_ids[int(first[row])].as_py()!r} and '
        f'{table.item_ids[row].as_py()!r} have the same full SID '
        f'{tuple(table.full_codes[row].tolist())}.',
        where,
    )


def check_rows(table: SidTable, where: object) -> None:
  """Checks items and codes, but not whether full SIDs differ.

  Args:
    table: the table.
    where: what it is, for the message.

  Raises:
    InputError: an item is there twice or a code is out of range.
  """
  lengths = {len(table.item_ids), len(table.codes), len(table.disambiguation)}
  if len(lengths) != 1 or table.codes.shape[1:] != (table.num_levels,):
    raise sid_table_file.refuse(
        f'{len(table.item_ids)} item ids do not go with codes of shape '
        f'{table.codes.shape} for {table.num_levels} levels.',
        where,
    )
  empty = np.asarray(pc.equal(table.item_ids, ''))
  if empty.any():
    raise sid_table_file.refuse(
        f'The item id of row {int(np.argmax(empty))} is empty.', where
    )
  rows = table.item_rows(table.item_ids)
  repeated = np.flatnonzero(rows != np.arange(table.num_items))
  if len(repeated):
    row = int(repeated[0])
    raise sid_table_file.refuse(
        f'The item {table.item_ids[row].as_py()!r} is in rows {rows[row]} and '
        f'{row}.',
        where,
    )
  _check_range(table.full_codes, table.level_sizes, where)
  if table.natural_last_codes is not None:
    _check_range(table.tokenizer_codes, table.codebook_sizes, where)


def _check_range(
    codes: np.ndarray, level_sizes: Sequence[int], where: object
) -> None:
  sizes = np.asarray(level_sizes)
  wrong = np.argwhere((codes < 0) | (codes >= sizes[None]))
  if len(wrong):
    row, level = (int(i) for i in wrong[0])
    raise InputError(
        f'The code {codes[row, level]} of level {level + 1} is out of range.',
        where=f'{where}, row {row}',
        expected=f'0 to {sizes[level] - 1}',
        fix='Run the stage semantic_ids again, or correct the path.',
    )
