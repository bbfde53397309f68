# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A constraint index without its numbers, to compile a search for."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any, cast

import jax
import jax.numpy as jnp

from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.constraint_index import Rows
from plum_jax.decoding.constraint_index import TrieLevel
from plum_jax.decoding.index_building import rows_are_worth_it


def describe(
    level_sizes: Sequence[int],
    num_items: int,
    branch_factors: Sequence[int] | None = None,
) -> ConstraintIndex:
  """Describes an index with as many prefixes as there can be.

  Args:
    level_sizes: codes of each level.
    num_items: items.
    branch_factors: the most children of a node above each level, the root's
      first; those of `level_sizes` by default, which no level exceeds.

  Returns:
    An index whose `table` is a `jax.ShapeDtypeStruct`. No list is left out that
    could be needed: prefixes are as many as items, and branch all the same.

  >>> describe([4, 4], 10).table.shape
  (59,)
  """
  branches = [*(branch_factors or level_sizes), 1]
  counts = [
      min(num_items, math.prod(level_sizes[: depth + 1]))
      for depth in range(len(level_sizes))
  ]
  size = 0

  def add(length: int) -> int:
    nonlocal size
    size += length
    return size - length

  levels = []
  num_parents = 1
  for depth, num_nodes in enumerate(counts):
    is_last = depth + 1 == len(counts)
    # The last level's nodes are items.
    firsts = None if is_last else add(num_nodes + 1)
    tokens = add(num_nodes)
    num_tokens = level_sizes[depth]
    rows = None
    if rows_are_worth_it(num_tokens, branches[depth], num_parents, num_nodes):
      rows = Rows(add(num_parents * num_tokens), num_tokens, 0)
    if is_last or depth + 2 == len(counts):
      children = firsts
    else:
      children = add(num_nodes + 1)
    levels.append(
        TrieLevel(
            num_nodes, branches[depth + 1], tokens, firsts, children, rows
        )
    )
    num_parents = num_nodes
  item_starts = add(num_items), add(num_items)
  table: Any = jax.ShapeDtypeStruct((size,), jnp.int32)
  return ConstraintIndex(
      cast(jax.Array, table), tuple(levels), num_items, *item_starts
  )
