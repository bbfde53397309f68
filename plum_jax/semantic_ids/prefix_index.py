# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""From codes to rows, vectorised: a trie as one sorted array per level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class PrefixIndex:
  """Finds the rows of code tuples, whatever the sizes of the levels.

  The distinct prefixes of each length are numbered in ascending order; a
  level's array holds `number of the parent * level_size + code` of each. A
  tuple is found by one binary search per level. (One mixed-radix number per
  tuple would be shorter, but eight levels of 2,048 do not fit 64 bits.)

  >>> index = PrefixIndex(np.array([[1, 0], [0, 2], [1, 1]]), (2, 3))
  >>> index.find(np.array([[0, 2], [0, 0], [1, 1]])).tolist()
  [1, -1, 2]
  """

  def __init__(self, codes: np.ndarray, level_sizes: Sequence[int]):
    """Sorts the tuples.

    Args:
      codes: int [num_rows, num_levels], in range. Of equal tuples the first
        row is found.
      level_sizes: codes per level.
    """
    self._sizes = tuple(level_sizes)
    self._keys = []
    prefix = np.zeros(len(codes), np.int64)
    first = np.zeros(min(len(codes), 1), np.int64)
    for level, size in enumerate(self._sizes):
      keys, first, prefix = np.unique(
          prefix * size + codes[:, level],
          return_index=True,
          return_inverse=True,
      )
      self._keys.append(keys)
    self._rows = first

  def find(self, codes: np.ndarray) -> np.ndarray:
    """Looks up tuples.

    Args:
      codes: int [..., num_levels]; out-of-range codes are not found.

    Returns:
      int64 [...]: the row, or -1.
    """
    codes = np.asarray(codes, np.int64)
    if not len(self._rows):
      return np.full(codes.shape[:-1], -1, np.int64)
    prefix = np.zeros(codes.shape[:-1], np.int64)
    found = np.ones(codes.shape[:-1], bool)
    for level, (size, keys) in enumerate(
        zip(self._sizes, self._keys, strict=True)
    ):
      code = codes[..., level]
      wanted = prefix * size + code
      prefix = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
      found &= (keys[prefix] == wanted) & (code >= 0) & (code < size)
    return np.where(found, self._rows[prefix], -1)


def number_groups(codes: np.ndarray) -> np.ndarray:
  """Numbers the distinct rows in ascending order.

  Args:
    codes: int [num_rows, num_levels], not negative; no level makes all rows
      equal.

  Returns:
    int64 [num_rows]; equal rows have the same number.

  >>> number_groups(np.array([[3, 0], [1, 2], [3, 0]])).tolist()
  [1, 0, 1]
  """
  group = np.zeros(len(codes), np.int64)
  # One level after another: all in one number may not fit 64 bits.
  for level_codes in codes.T.astype(np.int64):
    key = group * (int(level_codes.max(initial=0)) + 1) + level_codes
    _, group = np.unique(key, return_inverse=True)
  return group


def rank_within_groups(codes: np.ndarray) -> np.ndarray:
  """Numbers rows of equal codes 0, 1, 2 ... in row order.

  Args:
    codes: int [num_rows, num_levels].

  Returns:
    int32 [num_rows].

  >>> rank_within_groups(np.array([[3], [1], [3], [3]])).tolist()
  [0, 0, 1, 2]
  """
  order = np.lexsort(codes.T[::-1])
  ordered = codes[order]
  starts = np.ones(len(codes), bool)
  starts[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
  positions = np.arange(len(codes))
  group_start = np.maximum.accumulate(np.where(starts, positions, 0))
  ranks = np.empty(len(codes), np.int32)
  ranks[order] = positions - group_start
  return ranks
