# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Items that share their first codes: the sub-trees of Semantic IDs."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class SubtreeSizes:
  """How many items share their first codes.

  Attributes:
    num_subtrees: distinct prefixes of this length.
    mean: items per prefix.
    median: of the items per prefix.
    largest: most items on one prefix.
    pairs: pairs of items that share the prefix.
  """

  num_subtrees: int
  mean: float
  median: float
  largest: int
  pairs: int


def prefix_groups(codes: np.ndarray) -> list[np.ndarray]:
  """Numbers the distinct prefixes of every length.

  Args:
    codes: int [num_items, num_levels], not negative.

  Returns:
    int32 [num_items] for the first 0, 1, 2, ... codes: the number of the
    item's prefix among all of its length, in ascending order of the codes, so
    that a prefix's continuations have numbers one after another.

  >>> [g.tolist() for g in prefix_groups(np.array([[7, 1], [2, 5], [7, 0]]))]
  [[0, 0, 0], [1, 0, 1], [2, 0, 1]]
  """
  codes = np.asarray(codes)
  groups = [np.zeros(len(codes), np.int32)]
  for level in range(codes.shape[1]):
    level_codes = codes[:, level].astype(np.int64)
    # One key of at most num_items * level_size: no overflow at any depth.
    key = groups[-1] * (level_codes.max(initial=0) + 1) + level_codes
    _, number = np.unique(key, return_inverse=True)
    groups.append(number.astype(np.int32))
  return groups


def subtree_sizes(groups: np.ndarray) -> SubtreeSizes:
  """Measures the sub-trees of one prefix length.

  Args:
    groups: int [num_items], at least one item; of `prefix_groups`.

  Returns:
    Their sizes.

  >>> subtree_sizes(np.array([0, 0, 0, 1]))
  SubtreeSizes(num_subtrees=2, mean=2.0, median=2.0, largest=3, pairs=3)
  """
  counts = np.bincount(groups)
  return SubtreeSizes(
      num_subtrees=len(counts),
      mean=float(counts.mean()),
      median=float(np.median(counts)),
      largest=int(counts.max()),
      pairs=int(np.sum(counts * (counts - 1)) // 2),
  )
