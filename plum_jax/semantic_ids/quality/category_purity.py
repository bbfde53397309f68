# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether items that share their first codes share their category."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SEPARATOR = ' > '
# A category that more items have than this tells nothing apart.
_COMMON_SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class Labels:
  """Categories of items; an item may have none or several.

  Attributes:
    rows: int64 [n], item numbers.
    labels: int64 [n], the category that the item of `rows` has; each pair
      comes once.
    names: of the categories.
    num_items: number of all items.
  """

  rows: np.ndarray
  labels: np.ndarray
  names: tuple[str, ...]
  num_items: int


@dataclasses.dataclass(frozen=True)
class Purity:
  """How far items of one sub-tree agree.

  Attributes:
    share: of the items that share their prefix with another and have a
      category, the share that has the most frequent one of its sub-tree.
    by_chance: the same with the categories dealt out anew to the items.
    num_items: how many items that are.
  """

  share: float
  by_chance: float
  num_items: int


def category_labels(
    categories: pa.Array | pa.ChunkedArray,
) -> dict[str, Labels]:
  """Takes the most general and the most specific category of each path.

  What nearly all paths begin with says nothing, such as "Beauty" in a catalog
  of beauty products: `general` is the shortest beginning of the paths of which
  no one is that of more than 90 % of the items (our choice), `specific` the
  whole path.

  Args:
    categories: list<list<string>> [num_items], as in the item table.

  Returns:
    `general` and `specific`; empty if no item has a category.

  >>> found = category_labels(pa.array(
  ...     [[['Film', 'Drama', 'War']], [['Film', 'Comedy']]]))
  >>> found['general'].names
  ('Film > Drama', 'Film > Comedy')
  """
  if isinstance(categories, pa.ChunkedArray):
    categories = categories.combine_chunks()
  paths = pc.list_flatten(categories)
  rows = pc.list_parent_indices(categories)
  lengths = pc.list_value_length(paths)
  filled = pc.greater(lengths, 0)
  paths, rows = paths.filter(filled), rows.filter(filled)
  if not len(paths):
    return {}
  numbers = np.asarray(rows, np.int64)
  general = None
  for depth in range(1, pc.max(lengths).as_py() + 1):
    names = pc.binary_join(pc.list_slice(paths, 0, depth), _SEPARATOR)
    general = _labels(numbers, names, len(categories))
    most = np.bincount(general.labels).max()
    if most <= _COMMON_SHARE * len(np.unique(general.rows)):
      break
  assert general is not None
  specific = pc.binary_join(paths, _SEPARATOR)
  return {
      'general': general,
      'specific': _labels(numbers, specific, len(categories)),
  }


def _labels(rows: np.ndarray, names: pa.Array, num_items: int) -> Labels:
  encoded = names.dictionary_encode()
  distinct = encoded.dictionary.to_pylist()
  # An item may have two paths with the same beginning.
  pairs = np.unique(rows * len(distinct) + np.asarray(encoded.indices))
  rows, labels = np.divmod(pairs, len(distinct))
  return Labels(rows, labels, tuple(distinct), num_items)


def purity(groups: np.ndarray, labels: Labels, seed: int = 0) -> Purity | None:
  """Measures how pure sub-trees are, beside what chance gives.

  Small sub-trees are pure by chance: of two items at least one has the most
  frequent category. Sub-trees of a single item are left out, and the same
  measure with shuffled categories stands beside it: our choice.

  Args:
    groups: int [num_items], of `prefixes.prefix_groups`.
    labels: of `category_labels`.
    seed: of the shuffle.

  Returns:
    The measure; None if no two items with a category share their prefix.
  """
  labelled = np.unique(labels.rows)
  # Only items with a category change places: sub-trees keep their sizes.
  own = np.full(labels.num_items, -1)
  own[labelled] = groups[labelled]
  dealt = own.copy()
  dealt[labelled] = np.random.default_rng(seed).permutation(own[labelled])
  share, number = _majority_share(own, labels)
  if not number:
    return None
  return Purity(share, _majority_share(dealt, labels)[0], number)


def _majority_share(groups: np.ndarray, labels: Labels) -> tuple[float, int]:
  """Returns the share of items in their group's majority, and their number."""
  sizes = np.bincount(groups[groups >= 0])
  group = groups[labels.rows]
  shared = sizes[group] > 1
  number = int(sizes[sizes > 1].sum())
  if not number:
    return 0.0, 0
  pairs, counts = np.unique(
      group[shared] * np.int64(len(labels.names)) + labels.labels[shared],
      return_counts=True,
  )
  starts = np.flatnonzero(np.diff(pairs // len(labels.names), prepend=-1))
  return float(np.maximum.reduceat(counts, starts).sum() / number), number
