# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SIDs for items that came later; those that were there keep theirs."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import logging

import numpy as np
import pyarrow as pa

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import sid_table_file

_LOGGER = logging.getLogger('plum_jax')
_WHERE = 'SID table being extended'


def extend(
    table: sid_table.SidTable,
    item_ids: Sequence[str] | pa.Array,
    codes: np.ndarray,
    *,
    next_codes: collisions.NextCodes | None = None,
) -> sid_table.SidTable:
  """Makes the table of a catalog that has grown.

  Items that the table has keep their full SIDs to the bit, whatever their
  embeddings are now. New ones come after all of them, in the order of their
  rows, and find their places as in a table made anew: if all old items come
  first, in the old order, the table is the same as one made from all items.
  The tokenizer stays, and so do the sizes of all levels, on which vocabulary
  and generator depend.

  Items that are no longer in the catalog leave the table. Their SIDs are free,
  and new items may get them.

  Args:
    table: the present table.
    item_ids: string [num_items], the catalog as it is now, in its order.
    codes: int32 [num_items, num_levels], as the table's tokenizer gives them;
      only those of new items are looked at.
    next_codes: further choices of new items, by rows of the new catalog; needed
      if the table's collisions are resolved by the nearest free code.

  Returns:
    The table with rows in the new order and the next version; `table` itself
    if the items are the same in the same order.

  Raises:
    InputError: an item is there twice, a code is out of range, or there is no
      room for a new item among those with the same codes.

  >>> table = sid_table.make(['a', 'b'], np.array([[1], [0]]),
  ...                        codebook_sizes=(2,), tokenizer_hash='')
  >>> grown = extend(table, ['c', 'b', 'a'], np.array([[1], [1], [1]]))
  >>> grown.full_codes.tolist(), grown.version
  ([[1, 1], [0, 0], [1, 0]], 2)
  """
  item_ids = sid_table.string_array(item_ids)
  if item_ids.equals(table.item_ids):
    return table
  rows = table.item_rows(item_ids)
  known, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
  natural = np.array(codes, np.int32)
  if natural.shape != (len(item_ids), table.num_levels):
    raise sid_table_file.refuse(
        f'{len(item_ids)} item ids do not go with codes of shape '
        f'{natural.shape} for {table.num_levels} levels.',
        _WHERE,
    )
  natural[known] = table.tokenizer_codes[rows[known]]
  final = natural.copy()
  final[known] = table.codes[rows[known]]
  disambiguation = np.zeros(len(item_ids), np.int32)
  disambiguation[known] = table.disambiguation[rows[known]]
  grown = dataclasses.replace(
      table,
      item_ids=item_ids,
      codes=final,
      disambiguation=disambiguation,
      natural_last_codes=None
      if table.natural_last_codes is None
      else natural[:, -1],
      version=table.version + 1,
  )
  # First: resolving collisions counts on codes in range.
  sid_table.check_rows(grown, _WHERE)
  grown = _place(grown, known, new, next_codes)
  sid_table.check(grown, _WHERE)
  _LOGGER.info(
      'semantic_ids: version %d of the SID table: %s items kept, %s new, %s '
      'removed',
      grown.version,
      f'{len(known):,}',
      f'{len(new):,}',
      f'{table.num_items - len(known):,}',
  )
  return grown


def _place(
    table: sid_table.SidTable,
    known: np.ndarray,
    new: np.ndarray,
    next_codes: collisions.NextCodes | None,
) -> sid_table.SidTable:
  """Gives new items their places.

  Args:
    table: of all items, the new ones with the tokenizer's codes.
    known: rows of items that have their SIDs.
    new: rows of the others.
    next_codes: see `extend`.

  Returns:
    The table.
  """
  order = np.concatenate([known, new])
  if table.collisions == collisions.DISAMBIGUATION:
    disambiguation = table.disambiguation.copy()
    disambiguation[order] = collisions.disambiguation_codes(
        table.codes[order], table.disambiguation[known]
    )
    _check_room(table, disambiguation)
    return dataclasses.replace(table, disambiguation=disambiguation)
  if next_codes is None:
    raise ValueError('This table needs next_codes.')

  def of_new_rows(rows: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    return next_codes(order[rows], blocked)

  codes = table.codes.copy()
  # Those that are known hold different codes and come first: none moves.
  codes[order, -1] = collisions.nearest_free(
      codes[order], table.codebook_sizes[-1], of_new_rows
  )
  return dataclasses.replace(table, codes=codes)


def _check_room(table: sid_table.SidTable, disambiguation: np.ndarray) -> None:
  if disambiguation.max(initial=0) >= table.disambiguation_size:
    worst = int(np.argmax(disambiguation))
    count = int(np.sum(np.all(table.codes == table.codes[worst], axis=1)))
    raise InputError(
        f'{count} items have the same codes, more than the '
        f'{table.disambiguation_size} disambiguation codes can tell apart.',
        where=f'item {table.item_ids[worst].as_py()!r} with the codes '
        f'{tuple(table.codes[worst].tolist())}',
        expected=f'at most {table.disambiguation_size} items; the number is '
        'part of the vocabulary and stays',
        fix='Leave duplicates out of the catalog; or train a tokenizer anew, '
        'in another run, with more codes or a larger disambiguation_size.',
    )
