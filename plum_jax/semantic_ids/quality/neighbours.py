# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether users' neighbouring items share codes."""

from __future__ import annotations

import dataclasses

import numpy as np

from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split


@dataclasses.dataclass(frozen=True)
class CoOccurrence:
  """How often neighbours share a prefix.

  Attributes:
    share: of the pairs of neighbours that share it.
    by_chance: the same for pairs drawn at random.
    lift: `share / by_chance`; None if chance never gives such a pair.
  """

  share: float
  by_chance: float
  lift: float | None


def neighbour_pairs(histories: Histories, split: Split) -> np.ndarray:
  """Pairs each interaction with the next one of its user.

  Args:
    histories: of all users.
    split: only its training windows are read.

  Returns:
    int32 [n, 2], item numbers. Pairs of an item with itself, which share all
    codes whatever the tokenizer, are left out.
  """
  inside = split.train_mask(histories)
  users = histories.users
  both = inside[1:] & inside[:-1] & (users[1:] == users[:-1])
  pairs = np.stack([histories.item_ids[:-1], histories.item_ids[1:]], axis=1)
  return pairs[both & (pairs[:, 0] != pairs[:, 1])]


def co_occurrence(groups: np.ndarray, pairs: np.ndarray) -> CoOccurrence | None:
  """Compares neighbours with random pairs.

  A random pair takes its first and its second item from two pairs of
  neighbours drawn independently, and is no item with itself: items come as
  often as they do in the histories (our choice; were all items as likely, that
  popular items are alike would count as co-occurrence). The share is computed
  exactly, nothing is drawn.

  Args:
    groups: int [num_items], of `prefixes.prefix_groups`.
    pairs: of `neighbour_pairs`.

  Returns:
    The comparison; None if there are no pairs, or random ones would all be of
    an item with itself.

  >>> co_occurrence(np.array([0, 0, 1]), np.array([[0, 1], [0, 2]]))
  CoOccurrence(share=0.5, by_chance=0.5, lift=1.0)
  """
  if not len(pairs):
    return None
  same_item = _equal_ends(pairs)
  possible = len(pairs) ** 2 - same_item
  if not possible:
    return None
  ends = groups[pairs]
  share = float(np.mean(ends[:, 0] == ends[:, 1]))
  by_chance = (_equal_ends(ends) - same_item) / possible
  return CoOccurrence(
      share, by_chance, share / by_chance if by_chance else None
  )


def _equal_ends(ends: np.ndarray) -> int:
  """Counts how often one pair's first is another's second, of all n² ways."""
  number = int(ends.max()) + 1
  first, second = (np.bincount(ends[:, i], minlength=number) for i in (0, 1))
  return int(first @ second)
