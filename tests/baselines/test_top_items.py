# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The best items against a sort."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np

from plum_jax.baselines import top_items


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_top_items_equal_a_stable_sort(seed, exclude_history):
  rng = np.random.default_rng(seed)
  # Few different scores: many ties.
  scores = rng.integers(3, size=(4, 9)).astype(np.float32)
  history = rng.integers(-1, 9, size=(4, 3)).astype(np.int32)
  found = top_items.top_items(scores, history, 7, exclude_history)
  for row in range(4):
    excluded = set(history[row].tolist()) if exclude_history else set()
    order = sorted(
        (item for item in range(9) if item not in excluded),
        key=lambda item: (-scores[row, item], item),
    )[:7]
    padded = order + [-1] * (7 - len(order))
    assert np.asarray(found.item_ids)[row].tolist() == padded
    assert np.asarray(found.valid)[row].tolist() == [i >= 0 for i in padded]
    kept = np.asarray(found.scores)[row, : len(order)]
    np.testing.assert_array_equal(kept, scores[row, order])


def test_top_items_fill_up_when_the_catalog_is_smaller():
  found = top_items.top_items(np.array([[1.0, 2.0]]), np.array([[-1]]), 4, True)
  assert np.asarray(found.item_ids).tolist() == [[1, 0, -1, -1]]
  assert np.asarray(found.scores).tolist() == [[2.0, 1.0, -np.inf, -np.inf]]
  assert np.asarray(found.valid).tolist() == [[True, True, False, False]]
