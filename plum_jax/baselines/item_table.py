# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of an item table that is cut over the mesh, and scores of all items.

A table `[item_row, width]` may be larger than a device's memory, so it never
moves: the numbers of the wanted rows, four bytes each, go to the devices that
hold rows; each gives those that it has, zeros in the place of others, and the
sum is the look-up. XLA compiles this from the placements below.
"""

from __future__ import annotations

from flax.linen import partitioning
import jax
import jax.numpy as jnp

# Logical axes of a table; its width stays whole.
TABLE_AXES = ('item_row', 'table_width')


def look_up(table: jax.Array, item_ids: jax.Array) -> jax.Array:
  """Looks up the rows of a batch.

  Args:
    table: `[table_size, embed]`, placed by `TABLE_AXES`.
    item_ids: int32 `[batch, length]`; a negative number reads the first row.

  Returns:
    `[batch, length, embed]`.
  """
  item_ids = partitioning.with_sharding_constraint(
      jnp.maximum(item_ids, 0), ('lookup_batch', 'length')
  )
  rows = jnp.take(table, item_ids, axis=0)
  rows = partitioning.with_sharding_constraint(
      rows, ('lookup_batch', 'length', None)
  )
  return partitioning.with_sharding_constraint(
      rows, ('batch', 'length', 'embed')
  )


def look_up_shared(table: jax.Array, item_ids: jax.Array) -> jax.Array:
  """Looks up rows that every device needs.

  Args:
    table: `[table_size, embed]`, placed by `TABLE_AXES`.
    item_ids: int32 `[n]`, of items alone.

  Returns:
    `[n, embed]`, whole on every device.
  """
  item_ids = partitioning.with_sharding_constraint(item_ids, (None,))
  rows = jnp.take(table, item_ids, axis=0)
  return partitioning.with_sharding_constraint(rows, (None, None))


def item_logits(
    hidden: jax.Array, table: jax.Array, num_items: int
) -> jax.Array:
  """Scores all items.

  Args:
    hidden: `[batch, length, embed]`.
    table: `[table_size, embed]`, the items' embeddings.
    num_items: rows of the table that are items; the rest scores -inf.

  Returns:
    `[batch, length, table_size]`.
  """
  logits = jnp.einsum('ble,ie->bli', hidden, table)
  logits = partitioning.with_sharding_constraint(
      logits, ('batch', 'length', 'item')
  )
  is_item = jnp.arange(table.shape[0]) < num_items
  return jnp.where(is_item[None, None, :], logits, -jnp.inf)
