# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Diversity against hand-computed values and a brute force over lists."""

import collections
import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pyarrow as pa
import pytest

from plum_jax.evaluation import diversity


def _categories(of_items):
  """Makes `ItemCategories` of one-step paths, beside a path of all items."""
  paths = [[['all', name] for name in names] for names in of_items]
  kind = pa.list_(pa.list_(pa.string()))
  return diversity.item_categories(pa.array(paths, kind))


def _brute_force(row, of_items):
  weights = collections.Counter()
  for item in row:
    if item >= 0:
      for name in of_items[item]:
        weights[name] += 1 / len(of_items[item])
  total = sum(weights.values())
  return -sum(w / total * math.log(w / total) for w in weights.values())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from('abcd'), max_size=3, unique=True),
        min_size=4,
        max_size=4,
    ),
    st.lists(
        st.lists(st.integers(-1, 3), min_size=3, max_size=3),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 3),
)
def test_entropy_equals_brute_force(of_items, rows, k):
  categories = _categories(of_items)
  if not any(of_items):
    assert categories is None
    return
  found = diversity.category_entropy(np.array(rows), categories, k)
  expected = [_brute_force(row[:k], of_items) for row in rows]
  np.testing.assert_allclose(found, expected, atol=1e-12)


def test_entropy_has_hand_computed_values():
  categories = _categories([['a'], ['b'], ['a', 'b'], [], ['c']])
  item_ids = np.array(
      [
          [0, 1, 4],  # Three categories in equal parts.
          [0, 2, -1],  # 3/4 and 1/4.
          [0, 3, -1],  # An item without a category does not count.
          [3, -1, -1],
          [-1, -1, -1],
      ]
  )
  quarters = -(3 / 4 * math.log(3 / 4) + 1 / 4 * math.log(1 / 4))
  expected = [math.log(3), quarters, 0, 0, 0]
  found = diversity.category_entropy(item_ids, categories, 3)
  np.testing.assert_allclose(found, expected, atol=1e-12)
  metrics = diversity.diversity_metrics(item_ids, categories, (1, 3))
  assert metrics == pytest.approx(
      {'retrieval/diversity@1': 0.0, 'retrieval/diversity@3': sum(expected) / 5}
  )
