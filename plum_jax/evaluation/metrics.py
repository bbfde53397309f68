# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics of ranked recommendations, from arrays alone.

`n` users, `k` recommendations each, best first, and the items that each user
really chose: one of them (leave-one-out) or several. Everything is per user,
so that means can be taken over any part of the users.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plum_jax.evaluation.effective_vocabulary import effective_vocabulary
from plum_jax.evaluation.protocols import NO_ITEM


def hits(item_ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
  """Says which recommendations are targets.

  Args:
    item_ids: int [n, k], `NO_ITEM` where nothing was recommended.
    targets: int [n, num_targets], padded with `NO_ITEM`.

  Returns:
    bool [n, k].

  >>> hits(np.array([[5, 3, -1]]), np.array([[3, -1]])).tolist()
  [[False, True, False]]
  """
  # One pass per target column, so that no [n, k, num_targets] array arises.
  found = np.zeros(item_ids.shape, bool)
  for column in range(targets.shape[1]):
    found |= item_ids == targets[:, column, None]
  return found & (item_ids != NO_ITEM)


def num_targets(targets: np.ndarray) -> np.ndarray:
  """Counts each user's targets, int64 [n]."""
  return np.sum(targets != NO_ITEM, axis=1)


def recall(hit: np.ndarray, num_targets: np.ndarray, k: int) -> np.ndarray:
  """Returns the share of a user's targets among the first `k`, float64 [n].

  With one target per user this is the hit rate.

  Args:
    hit: bool [n, at least k].
    num_targets: int [n], at least 1.
    k: cut-off.

  >>> recall(np.array([[False, True, True]]), np.array([4]), 3).tolist()
  [0.5]
  """
  return np.sum(hit[:, :k], axis=1) / num_targets


def ndcg(hit: np.ndarray, num_targets: np.ndarray, k: int) -> np.ndarray:
  """Returns the normalised discounted cumulative gain, float64 [n].

  Gains are 0 or 1, the discount of rank r (from 1) is 1 / log2(r + 1), and the
  ideal list begins with min(k, num_targets) targets.

  Args:
    hit: bool [n, at least k].
    num_targets: int [n], at least 1.
    k: cut-off.

  >>> ndcg(np.array([[False, False, True]]), np.array([1]), 3).tolist()
  [0.5]
  """
  discounts = 1 / np.log2(np.arange(2, k + 2))
  ideal = np.concatenate(([0.0], np.cumsum(discounts)))
  gain = hit[:, :k] @ discounts[: hit[:, :k].shape[1]]
  return gain / ideal[np.minimum(num_targets, k)]


def reciprocal_rank(hit: np.ndarray, k: int) -> np.ndarray:
  """Returns 1 / rank of the first hit among `k`, 0 without one, float64 [n].

  >>> reciprocal_rank(np.array([[False, True], [False, False]]), 2).tolist()
  [0.5, 0.0]
  """
  hit = hit[:, :k]
  return np.where(np.any(hit, axis=1), 1 / (np.argmax(hit, axis=1) + 1), 0.0)


def coverage(item_ids: np.ndarray, num_items: int, k: int) -> float:
  """Returns the share of the catalog that is recommended to anyone.

  Args:
    item_ids: int [n, at least k], `NO_ITEM` where nothing was recommended.
    num_items: number of items of the catalog.
    k: cut-off.

  >>> coverage(np.array([[0, 1], [1, -1]]), num_items=4, k=2)
  0.5
  """
  first = item_ids[:, :k]
  shown = np.bincount(first[first != NO_ITEM], minlength=num_items) > 0
  return float(np.mean(shown))


def valid_item_rate(valid: np.ndarray, k: int) -> float:
  """Returns the share of the `n * k` asked-for places that hold an item.

  Args:
    valid: bool [n, at least k].
    k: cut-off.

  >>> valid_item_rate(np.array([[True, True], [True, False]]), k=2)
  0.75
  """
  return float(np.mean(valid[:, :k]))


def valid_sid_rate(
    decoded_codes: np.ndarray, catalog_codes: np.ndarray
) -> float:
  """Returns the share of decoded Semantic IDs that are an item's.

  Args:
    decoded_codes: int [..., num_levels], what a generator wrote; any number
      that is no code makes the SID invalid.
    catalog_codes: int [num_items, num_levels], the full codes of the SID table.

  >>> valid_sid_rate(np.array([[1, 2], [2, 1]]), np.array([[1, 2], [3, 3]]))
  0.5
  """
  num_levels = catalog_codes.shape[1]
  decoded = np.reshape(decoded_codes, (-1, num_levels))
  both = np.concatenate([catalog_codes, decoded])
  # Equal rows get one number; codes alone could overflow a mixed radix.
  _, row = np.unique(both, axis=0, return_inverse=True)
  exists = np.zeros(len(both), bool)
  exists[row[: len(catalog_codes)]] = True
  return float(np.mean(exists[row[len(catalog_codes) :]]))


def retrieval_metrics(
    item_ids: np.ndarray,
    valid: np.ndarray,
    targets: np.ndarray,
    *,
    ks: Sequence[int],
    num_items: int,
) -> dict[str, float]:
  """Computes all metrics of a set of users.

  Args:
    item_ids: int [n, k], best first, `NO_ITEM` where not valid.
    valid: bool [n, k].
    targets: int [n, num_targets], padded with `NO_ITEM`; one at least each.
    ks: cut-offs, none greater than k.
    num_items: number of items of the catalog.

  Returns:
    Means over the users, by name: `retrieval/recall@10`, `retrieval/ndcg@10`,
    `retrieval/mrr@10` (of the first 10), `retrieval/coverage@10`,
    `retrieval/effective_vocabulary@10` (a number of items) and
    `retrieval/valid_item_rate@10`, for each cut-off.
  """
  hit = hits(item_ids, targets)
  count = num_targets(targets)
  metrics = {}
  for k in ks:
    values = {
        'recall': np.mean(recall(hit, count, k)),
        'ndcg': np.mean(ndcg(hit, count, k)),
        'mrr': np.mean(reciprocal_rank(hit, k)),
        'coverage': coverage(item_ids, num_items, k),
        'effective_vocabulary': effective_vocabulary(item_ids, k),
        'valid_item_rate': valid_item_rate(valid, k),
    }
    for name, value in values.items():
      metrics[f'retrieval/{name}@{k}'] = float(value)
  return metrics
