# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A constraint index with room to grow, so that programs outlive it.

A compiled search depends on the shapes of its index. With every size rounded up
to a power of 2, an index to which items were added mostly has the shapes of the
one before, and the programs stay as they are.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.constraint_index import NO_ITEM
from plum_jax.decoding.constraint_index import TrieLevel


def with_room(index: ConstraintIndex) -> ConstraintIndex:
  """Rounds all sizes of an index up.

  Nodes that are added have no items below them. A search leaves such nodes
  out, since all of their items are excluded, and none is allowed; but only if
  it is given items that are excluded or allowed, be they all `NO_ITEM`.

  Args:
    index: the valid SIDs.

  Returns:
    An index of the same items.
  """
  num_items = round_up(index.num_items)
  levels = []
  for level in index.levels:
    room = round_up(level.num_nodes) - level.num_nodes
    levels.append(
        TrieLevel(
            token_ids=jnp.pad(level.token_ids, (0, room)),
            first_ranks=jnp.pad(level.first_ranks, (0, room), 'edge'),
            first_children=jnp.pad(level.first_children, (0, room), 'edge'),
            max_children=round_up(level.max_children),
        )
    )
  room = num_items - index.num_items
  return dataclasses.replace(
      index,
      levels=tuple(levels),
      item_ids=jnp.pad(index.item_ids, (0, room), constant_values=NO_ITEM),
      item_ranks=jnp.pad(
          index.item_ranks, (0, room), constant_values=num_items
      ),
  )


def round_up(number: int) -> int:
  """Returns the next power of 2.

  >>> [round_up(number) for number in (1, 2, 3, 1000)]
  [1, 2, 4, 1024]
  """
  return 1 << (number - 1).bit_length()
