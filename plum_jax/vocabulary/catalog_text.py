# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The text of a catalog, to train a text model on."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

_ROWS_A_TIME = 65_536


def sentences(items: pa.Table, max_items: int) -> Iterator[str]:
  """Yields every text of the items: title, category names, further fields.

  Args:
    items: an item table.
    max_items: a larger catalog is thinned to about this many items, evenly,
      since a text model gains nothing from more.

  Yields:
    One field of one item at a time, fields in the table's order.

  >>> list(sentences(pa.table({'item_id': ['1', '2'], 'title': ['A b', None],
  ...                          'categories': [[['c', 'd']], []]}), 10))
  ['A b', 'c', 'd']
  """
  step = -(-items.num_rows // max_items)
  if step > 1:
    items = items.take(pa.array(range(0, items.num_rows, step)))
  for name in items.column_names:
    column = items[name]
    if name == 'categories':
      column = pc.list_flatten(pc.list_flatten(column))
    elif name == 'item_id' or not pa.types.is_string(column.type):
      continue
    column = column.filter(pc.fill_null(pc.not_equal(column, ''), False))
    for batch in pa.table([column], [name]).to_batches(_ROWS_A_TIME):
      yield from batch.column(0).to_pylist()
