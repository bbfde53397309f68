# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Items that have the same codes."""

from __future__ import annotations

import dataclasses

import numpy as np

from plum_jax.semantic_ids.quality import prefixes


@dataclasses.dataclass(frozen=True)
class CollisionGroup:
  """Items that have the same codes.

  Attributes:
    codes: the codes, [num_levels].
    rows: item numbers, ascending.
  """

  codes: tuple[int, ...]
  rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Collisions:
  """Counts of items that have the same codes.

  Attributes:
    uniqueness: distinct code tuples / items. PLUM reports a uniqueness without
      saying how it counts; this is our choice.
    items_without_collision: share of items whose codes no other item has;
      never more than the uniqueness.
    num_groups: code tuples that several items have.
    num_items: items that have one of them.
    largest_group: most items on one code tuple.
    sizes: (items on a code tuple, how many such tuples), ascending, from 2.
  """

  uniqueness: float
  items_without_collision: float
  num_groups: int
  num_items: int
  largest_group: int
  sizes: tuple[tuple[int, int], ...]


def count(groups: np.ndarray) -> Collisions:
  """Counts collisions, before they are resolved.

  Args:
    groups: int [num_items], equal numbers for equal code tuples; the last of
      `prefixes.prefix_groups`.

  Returns:
    The counts.

  >>> count(np.array([0, 0, 1, 2]))
  Collisions(uniqueness=0.75, items_without_collision=0.5, num_groups=1, \
num_items=2, largest_group=2, sizes=((2, 1),))
  """
  counts = np.bincount(groups)
  of_size = np.bincount(counts)
  sizes = np.flatnonzero(of_size[2:]) + 2
  return Collisions(
      uniqueness=len(counts) / len(groups),
      items_without_collision=float(np.sum(counts == 1) / len(groups)),
      num_groups=int(np.sum(counts > 1)),
      num_items=int(np.sum(counts[counts > 1])),
      largest_group=int(counts.max()),
      sizes=tuple((int(size), int(of_size[size])) for size in sizes),
  )


def collision_groups(codes: np.ndarray, most: int = 20) -> list[CollisionGroup]:
  """Finds the largest groups of items with the same codes.

  Args:
    codes: int [num_items, num_levels].
    most: how many groups to return.

  Returns:
    Groups of at least two items, the largest first; equal ones by their codes.

  >>> collision_groups(np.array([[5], [7], [5]]))
  [CollisionGroup(codes=(5,), rows=(0, 2))]
  """
  groups = prefixes.prefix_groups(codes)[-1]
  counts = np.bincount(groups)
  largest = np.argsort(-counts, kind='stable')[:most]
  largest = largest[counts[largest] > 1]
  order = np.argsort(groups, kind='stable')
  ends = np.cumsum(counts)
  found = []
  for group in largest:
    rows = order[ends[group] - counts[group] : ends[group]]
    found.append(
        CollisionGroup(tuple(codes[rows[0]].tolist()), tuple(rows.tolist()))
    )
  return found
