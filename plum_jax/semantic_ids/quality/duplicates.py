# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Items that no tokenizer can part: equal embeddings, equal texts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.item_embeddings import item_texts
from plum_jax.item_embeddings import modalities
from plum_jax.semantic_ids import inputs

_CHUNK_ITEMS = 4_096
_FINGERPRINTS = 3


@dataclasses.dataclass(frozen=True)
class Duplicates:
  """Counts of items that equal others.

  Attributes:
    num_distinct: distinct values among the items.
    num_items: items that have the value of another item.
    largest: most items with one value.
  """

  num_distinct: int
  num_items: int
  largest: int


def count(groups: np.ndarray) -> Duplicates:
  """Counts duplicates.

  Args:
    groups: int [num_items], equal numbers for equal items.

  Returns:
    The counts.

  >>> count(np.array([0, 1, 0]))
  Duplicates(num_distinct=2, num_items=2, largest=2)
  """
  counts = np.bincount(groups)
  return Duplicates(
      num_distinct=len(counts),
      num_items=int(counts[counts > 1].sum()),
      largest=int(counts.max()),
  )


def embedding_groups(embeddings: inputs.TokenizerInputs) -> np.ndarray:
  """Finds items whose embeddings are equal to the last bit.

  Read once, in order. Rows are compared by three sums of 64 bits with random
  weights: two rows that differ get the same by a chance below 2 ** -90.

  Args:
    embeddings: of all items.

  Returns:
    int64 [num_items]: equal numbers where all modalities are equal, or are
    both missing.

  >>> embedding_groups(inputs.from_array(
  ...     np.array([[1., 2.], [3., 4.], [1., 2.]], np.float32))).tolist()
  [0, 1, 0]
  """
  generator = np.random.default_rng(0)
  weights = {
      name: generator.integers(0, 1 << 64, (size + 1, _FINGERPRINTS), np.uint64)
      for name, size in embeddings.modality_sizes
  }
  number = embeddings.num_items
  fingerprints = np.zeros((number, _FINGERPRINTS), np.uint64)
  for start in range(0, number, _CHUNK_ITEMS):
    rows = slice(start, min(start + _CHUNK_ITEMS, number))
    arrays, present = embeddings.rows(rows)
    for name, weight in weights.items():
      has = present[name][:, None]
      # Adding 0 makes -0 and 0 the same bits.
      values = np.where(has, arrays[name], 0).astype(np.float32) + 0
      bits = values.view(np.uint32).astype(np.uint64)
      words = np.concatenate([bits, has.astype(np.uint64)], axis=1)
      fingerprints[rows] += words @ weight
  return _number_rows(fingerprints)


def _number_rows(rows: np.ndarray) -> np.ndarray:
  """Numbers equal rows alike, in the order in which they first come."""
  order = np.lexsort(rows.T[::-1])
  ordered = rows[order]
  new = np.ones(len(rows), bool)
  new[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
  first = order[new]
  rank = np.empty(len(first), np.int64)
  rank[np.argsort(first, kind='stable')] = np.arange(len(first))
  groups = np.empty(len(rows), np.int64)
  groups[order] = rank[np.cumsum(new) - 1]
  return groups


def text_groups(items: pa.Table) -> np.ndarray:
  """Finds items whose text fields are all equal.

  Args:
    items: the catalog's item table.

  Returns:
    int64 [num_items]: equal numbers for equal titles, categories and further
    text columns. An item without any text equals no other.
  """
  maker = item_texts.text_maker(
      modalities.TextModality(), items.schema, 'items'
  )
  texts = maker.texts(items.combine_chunks())
  found = pc.fill_null(texts.dictionary_encode().indices, -1)
  groups = np.array(found, np.int64)
  missing = groups < 0
  groups[missing] = groups.max(initial=-1) + 1 + np.arange(missing.sum())
  return groups
