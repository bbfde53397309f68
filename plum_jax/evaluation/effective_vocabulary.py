# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How many items make up nearly all of what is shown."""

from __future__ import annotations

import numpy as np

from plum_jax.evaluation.protocols import NO_ITEM

_COVERED_PERCENT = 95


def impressions(item_ids: np.ndarray, k: int) -> np.ndarray:
  """Counts how often each item that is shown is shown, most often first.

  Args:
    item_ids: int [n, at least k], best first, `NO_ITEM` where nothing was
      recommended.
    k: cut-off; the first k places of each user are what is shown.

  Returns:
    int64 [number of different items shown], not rising.

  >>> impressions(np.array([[7, 2], [7, -1]]), k=2).tolist()
  [2, 1]
  """
  shown = item_ids[:, :k]
  _, counts = np.unique(shown[shown != NO_ITEM], return_counts=True)
  return np.sort(counts)[::-1].astype(np.int64)


def effective_vocabulary(item_ids: np.ndarray, k: int) -> int:
  """Returns the least number of items that cover 95 % of what is shown.

  The effective vocabulary of PLUM (arXiv 2510.07784, results): items in order
  of their impressions, as many as it takes until their share of all impressions
  is at least 95 %. An impression is here a place among the first k of a user of
  the evaluation; in the paper it is one that was served.

  Args:
    item_ids: int [n, at least k], best first, `NO_ITEM` where nothing was
      recommended.
    k: cut-off.

  Returns:
    The number; 0 where nothing was recommended.

  >>> effective_vocabulary(np.array([[0]] * 19 + [[1]]), k=1)
  1
  """
  counts = impressions(item_ids, k)
  # Whole numbers: 95 % of 20 are 19 and not a little more.
  covered = 100 * np.cumsum(counts)
  return int(np.sum(covered < _COVERED_PERCENT * counts.sum())) + bool(
      len(counts)
  )
