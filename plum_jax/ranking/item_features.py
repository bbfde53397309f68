# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a ranking model reads of an item: rows of a table, or its content.

One interface for all kinds of features and all three slots of the model
(watch history, current item, candidate): the features of the whole catalog are
one array, made once, and a training step looks items up in it by their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import store
from plum_jax.semantic_ids.sid_table import SidTable

NO_PIECE = -1


class Table(NamedTuple):
  """One of the tables that lie one after another in the ranker's.

  Attributes:
    name: such as `bigram_1`.
    num_rows: its rows.
  """

  name: str
  num_rows: int


@dataclasses.dataclass(frozen=True, eq=False)
class ItemFeatures:
  """The features of all items.

  The vector of an item is the sum of the rows that its pieces name; N tables
  are one array of their rows one after another, which is the same.

  Attributes:
    pieces: int32 [num_items, max_pieces], rows of the table, `NO_PIECE` where
      an item has fewer. max_pieces may be 0.
    tables: in the order of their rows.
    content: float32 [num_items, dim] in the place of table rows, or None.
    depth: factor of the number of the ranker's layers: the paper's 1x, 1.5x
      and 2x for dense content.
  """

  pieces: np.ndarray
  tables: tuple[Table, ...]
  content: np.ndarray | None = None
  depth: float = 1.0

  @property
  def num_items(self) -> int:
    """Number of items of the catalog."""
    return len(self.pieces)

  @property
  def num_rows(self) -> int:
    """Rows of all tables together."""
    return sum(table.num_rows for table in self.tables)

  @property
  def look_ups(self) -> np.ndarray:
    """Number of rows that each item looks up, int64 [num_items]."""
    return np.sum(self.pieces != NO_PIECE, axis=1)

  def rows_used(self, items: np.ndarray) -> dict[str, int]:
    """Counts the rows of each table that some of these items look up.

    Args:
      items: bool [num_items].

    Returns:
      The number of rows by the table's name.
    """
    used = np.unique(self.pieces[items])
    ends = np.cumsum([table.num_rows for table in self.tables])
    counts = np.diff(np.searchsorted(used, [0, *ends]))
    return {
        table.name: int(count)
        for table, count in zip(self.tables, counts, strict=True)
    }


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureInputs:
  """What features are made from.

  Attributes:
    item_ids: string [num_items], of the catalog in its order.
    num_impressions: int64 [num_items], impressions of the training window.
    impressed: bool [num_items], items that some impression shows, of the
      training window or the test.
    seed: salt of hashes.
    sids: the Semantic IDs; None if there are none.
    embeddings: the content by modality; empty if there is none.
  """

  item_ids: pa.StringArray
  num_impressions: np.ndarray
  impressed: np.ndarray
  seed: int = 0
  sids: SidTable | None = None
  embeddings: dict[str, store.ItemEmbeddings] = dataclasses.field(
      default_factory=dict
  )

  @property
  def sid_table(self) -> SidTable:
    """The Semantic IDs.

    Raises:
      InputError: there are none.
    """
    if self.sids is None:
      raise InputError(
          'This feature is made from Semantic IDs, and there are none.',
          where='the stage ranking',
          expected='the folder semantic_ids/ in the run directory',
          fix='Run the stage semantic_ids first, or use random_hashing.',
      )
    return self.sids

  def codes(self) -> tuple[np.ndarray, np.ndarray]:
    """Gives the items' codes, as the tokenizer gave them.

    They are those before collisions were resolved: what was changed to tell
    items apart says nothing of their content. Our choice; the paper's Semantic
    IDs are not unique either.

    Returns:
      Codes int32 [num_items, num_levels], and bool [num_items], whether the
      table has the item; its codes are 0 if not.

    Raises:
      InputError: the table lacks an item that was impressed.
    """
    table = self.sid_table
    rows = table.item_rows(self.item_ids)
    known = rows >= 0
    lacking = np.flatnonzero(self.impressed & ~known)
    if len(lacking):
      raise InputError(
          f'{len(lacking)} items were impressed and have no Semantic ID; the '
          f'first is {self.item_ids[int(lacking[0])].as_py()!r}.',
          where='SID table',
          expected='a Semantic ID for every item that was impressed',
          fix='Give new items Semantic IDs by the stage assign_semantic_ids.',
      )
    return np.where(known[:, None], table.tokenizer_codes[rows], 0), known


def join_tables(
    rows: Sequence[np.ndarray], tables: Sequence[Table]
) -> np.ndarray:
  """Lays tables one after another.

  Args:
    rows: per table int64 [num_items, n], row numbers in that table, `NO_PIECE`
      for none.
    tables: as many.

  Returns:
    int32 [num_items, sum of n], rows of the joined table; those that are there
    from the left, then `NO_PIECE`.

  Raises:
    InputError: more rows than int32 counts.

  >>> join_tables([np.array([[0], [-1]]), np.array([[1], [0]])],
  ...             [Table('a', 2), Table('b', 3)])
  array([[ 0,  3],
         [ 2, -1]], dtype=int32)
  """
  sizes = [table.num_rows for table in tables]
  if sum(sizes) > np.iinfo(np.int32).max:
    raise InputError(
        f'The tables have {sum(sizes):,} rows together.',
        where='features of the ranking model',
        expected=f'at most {np.iinfo(np.int32).max:,}',
        fix='Set a number of rows to hash them down to.',
    )
  starts = np.cumsum([0, *sizes[:-1]])
  joined = np.concatenate(
      [
          np.where(part == NO_PIECE, NO_PIECE, part + start)
          for part, start in zip(rows, starts, strict=True)
      ],
      axis=1,
  )
  order = np.argsort(joined == NO_PIECE, axis=1, kind='stable')
  joined = np.take_along_axis(joined, order, axis=1)
  width = int(np.sum(joined != NO_PIECE, axis=1).max(initial=0))
  return joined[:, :width].astype(np.int32)
