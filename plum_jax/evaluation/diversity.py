# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Over how many categories a user's recommendations spread."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from plum_jax.evaluation.protocols import NO_ITEM
from plum_jax.semantic_ids.quality.category_purity import category_labels


@dataclasses.dataclass(frozen=True)
class ItemCategories:
  """The categories of all items, as compressed rows.

  Attributes:
    offsets: int64 [num_items + 1]; an item's labels are a run of `labels`.
    labels: int64 [offsets[-1]], numbers of categories, none twice in an item.
  """

  offsets: np.ndarray
  labels: np.ndarray


def item_categories(
    categories: pa.Array | pa.ChunkedArray,
) -> ItemCategories | None:
  """Reads the categories of a catalog's items.

  A category is the general beginning of a path, as `category_purity` takes it:
  the shortest of which none is that of nearly all items.

  Args:
    categories: list<list<string>> [num_items], as in the item table.

  Returns:
    The categories; None if no item has one.
  """
  found = category_labels(categories)
  if not found:
    return None
  general = found['general']
  counts = np.bincount(general.rows, minlength=len(categories))
  order = np.argsort(general.rows, kind='stable')
  return ItemCategories(
      np.concatenate(([0], np.cumsum(counts))), general.labels[order]
  )


def category_entropy(
    item_ids: np.ndarray, categories: ItemCategories, k: int
) -> np.ndarray:
  """Returns the entropy of the categories of each user's first `k` items.

  Each item with categories has the weight 1, in equal parts on each of its
  categories; the weights of a user's items, normalised, are the distribution
  whose Shannon entropy this is. Items without a category do not count; a user
  without any other has 0. No paper states the measure: our choice.

  Args:
    item_ids: int [n, at least k], `NO_ITEM` where nothing was recommended.
    categories: of all items.
    k: cut-off.

  Returns:
    float64 [n], in nats: 0 if all items are of one category, and exp of it is
    the effective number of categories.

  >>> of_items = [0, 1, 2, 4], [0, 1, 0, 1]  # The last item has both.
  >>> categories = ItemCategories(*map(np.array, of_items))
  >>> ids = np.array([[0, 1, 2], [0, -1, -1]])
  >>> np.exp(category_entropy(ids, categories, 3)).round(3).tolist()
  [2.0, 1.0]
  """
  first = item_ids[:, :k]
  users, columns = np.nonzero(first != NO_ITEM)
  items = first[users, columns]
  counts = np.diff(categories.offsets)[items]
  # One line for each user, item and category of the item.
  users = np.repeat(users, counts)
  weights = np.repeat(1 / np.maximum(counts, 1), counts)
  ends = np.cumsum(counts)
  within = np.arange(len(users)) - np.repeat(ends - counts, counts)
  labels = categories.labels[
      np.repeat(categories.offsets[items], counts) + within
  ]
  num_labels = int(categories.labels.max(initial=0)) + 1
  pairs, line = np.unique(users * num_labels + labels, return_inverse=True)
  users = pairs // num_labels
  weights = np.bincount(line, weights, minlength=len(pairs))
  totals = np.bincount(users, weights, minlength=len(first))
  shares = weights / totals[users]
  entropy = np.bincount(users, -shares * np.log(shares), minlength=len(first))
  # The share of a single category may be off 1 by rounding.
  return np.maximum(entropy, 0.0)


def diversity_metrics(
    item_ids: np.ndarray, categories: ItemCategories, ks: tuple[int, ...]
) -> dict[str, float]:
  """Returns means over the users: `retrieval/diversity@10`, in nats.

  Args:
    item_ids: int [n, k], best first, `NO_ITEM` where not valid.
    categories: of all items.
    ks: cut-offs, none greater than k.
  """
  return {
      f'retrieval/diversity@{k}': float(
          np.mean(category_entropy(item_ids, categories, k))
      )
      for k in ks
  }
