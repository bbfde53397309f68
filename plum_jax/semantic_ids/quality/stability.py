# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How far two SID tables group the same items alike."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Agreement:
  """Two tables, compared at the first codes.

  Attributes:
    adjusted_rand: adjusted Rand index of the groups of items that share them:
      1 if they are the same groups, about 0 by chance, whatever numbers the
      codes have.
    identical: share of items whose first codes are the same numbers, which two
      trainings never agree on, and a saved table must.
  """

  adjusted_rand: float
  identical: float


def adjusted_rand_index(first: np.ndarray, second: np.ndarray) -> float:
  """Compares two partitions of the same items.

  Hubert and Arabie, "Comparing partitions" (1985): the share of pairs of items
  on which both agree, corrected for chance, computed from how many items are
  in each pair of groups.

  Args:
    first: int [num_items], group of each item, not negative.
    second: the same by the other partition.

  Returns:
    At most 1; 1 for equal partitions.

  >>> adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([5, 5, 2, 2]))
  1.0
  """

  def pairs(counts: np.ndarray) -> int:
    return int(np.sum(counts.astype(np.int64) * (counts - 1) // 2))

  key = first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
  _, cells = np.unique(key, return_counts=True)
  together = pairs(cells)
  in_first, in_second = pairs(np.bincount(first)), pairs(np.bincount(second))
  all_pairs = len(first) * (len(first) - 1) // 2
  # Also where both have one group, or both none of two items.
  if together == in_first == in_second:
    return 1.0
  expected = in_first * in_second / all_pairs
  return float((together - expected) / ((in_first + in_second) / 2 - expected))


def agreement(
    first_codes: np.ndarray,
    second_codes: np.ndarray,
    first_groups: list[np.ndarray],
    second_groups: list[np.ndarray],
) -> list[Agreement]:
  """Compares two tables at each prefix length that both have.

  Args:
    first_codes: int [num_items, num_levels].
    second_codes: int [num_items, num_levels], of the same items; the number of
      levels may be another.
    first_groups: `prefixes.prefix_groups` of the first.
    second_groups: and of the second.

  Returns:
    For the first 1, 2, ... codes.
  """
  levels = min(first_codes.shape[1], second_codes.shape[1])
  same = np.logical_and.accumulate(
      first_codes[:, :levels] == second_codes[:, :levels], axis=1
  )
  return [
      Agreement(
          adjusted_rand_index(first_groups[length], second_groups[length]),
          float(same[:, length - 1].mean()),
      )
      for length in range(1, levels + 1)
  ]
