# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recall of targets by what training knew of them."""

from __future__ import annotations

import numpy as np

from plum_jax.evaluation import metrics

NUM_DECILES = 10
COLD_START = 'cold_start'


def decile_name(decile: int) -> str:
  """Names a decile in metrics."""
  return f'popularity_decile_{decile}'


def popularity_deciles(counts: np.ndarray) -> np.ndarray:
  """Groups items by popularity, each group with a tenth of the interactions.

  Items are put in order of their count, the greatest first and of equals the
  lower number first. An item is in decile d if the share of all interactions
  that items before it have is at least (d - 1) / 10 and below d / 10: the first
  decile holds the few items of the head, the last the many of the tail.
  Groups of equal interactions, not of equally many items, are our choice: each
  then has about as many targets.

  Args:
    counts: int64 [num_items], interactions in the training windows.

  Returns:
    int64 [num_items], from 1 to 10; 0 for items without an interaction.

  >>> popularity_deciles(np.array([1, 0, 8, 1])).tolist()
  [9, 0, 1, 10]
  """
  order = np.argsort(-counts, kind='stable')
  before = np.cumsum(counts[order]) - counts[order]
  # Whole numbers, so that a border falls where it should.
  decile = NUM_DECILES * before // max(int(counts.sum()), 1) + 1
  found = np.empty_like(order)
  found[order] = decile
  return np.where(counts > 0, found, 0)


def recall_of_group(
    item_ids: np.ndarray, targets: np.ndarray, in_group: np.ndarray, k: int
) -> float | None:
  """Returns the share of the targets of a group that are among the first k.

  Args:
    item_ids: int [n, at least k], `NO_ITEM` where nothing was recommended.
    targets: int [n, num_targets], padded with `NO_ITEM`.
    in_group: bool [num_items].
    k: cut-off.

  Returns:
    Targets found by targets; None where no target is of the group. With one
    target a user it is the mean of the users' recall.

  >>> recall_of_group(
  ...     np.array([[0, 1], [0, 1]]), np.array([[1], [2]]),
  ...     np.array([False, True, True]), k=2)
  0.5
  """
  of_group = np.where(_is_of(targets, in_group), targets, metrics.NO_ITEM)
  num_targets = int(np.sum(of_group != metrics.NO_ITEM))
  if not num_targets:
    return None
  found = metrics.hits(item_ids[:, :k], of_group)
  return int(np.sum(found)) / num_targets


def group_metrics(
    item_ids: np.ndarray,
    targets: np.ndarray,
    *,
    deciles: np.ndarray,
    cold_start_items: np.ndarray,
    ks: tuple[int, ...],
) -> dict[str, float | None]:
  """Computes recall by decile of popularity and on cold-start items.

  Args:
    item_ids: int [n, k], best first.
    targets: int [n, num_targets], padded with `NO_ITEM`.
    deciles: int [num_items], as `popularity_deciles` returns them.
    cold_start_items: bool [num_items]; see `catalog.splits.Split`.
    ks: cut-offs.

  Returns:
    By name, such as `popularity_decile_1/recall@10` and
    `cold_start/recall@10`; and `<group>/num_targets`. A recall is None where
    the number of targets is 0.
  """
  groups = {
      decile_name(decile): deciles == decile
      for decile in range(1, NUM_DECILES + 1)
  }
  groups[COLD_START] = cold_start_items
  found: dict[str, float | None] = {}
  for name, in_group in groups.items():
    found[f'{name}/num_targets'] = int(np.sum(_is_of(targets, in_group)))
    for k in ks:
      found[f'{name}/recall@{k}'] = recall_of_group(
          item_ids, targets, in_group, k
      )
  return found


def _is_of(targets: np.ndarray, in_group: np.ndarray) -> np.ndarray:
  """Whether each target is of a group, bool [n, num_targets]."""
  present = targets != metrics.NO_ITEM
  return present & in_group[np.where(present, targets, 0)]
