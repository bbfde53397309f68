# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics against hand-computed values and a brute force over lists."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.evaluation import metrics
from plum_jax.evaluation.effective_vocabulary import effective_vocabulary


@st.composite
def ranked_lists(draw):
  num_items = draw(st.integers(3, 12))
  k = draw(st.integers(1, num_items))
  num_users = draw(st.integers(1, 5))
  item_ids, targets = [], []
  for _ in range(num_users):
    order = draw(st.permutations(range(num_items)))[:k]
    cut = draw(st.integers(0, k))
    item_ids.append(list(order[:cut]) + [-1] * (k - cut))
    wanted = draw(
        st.lists(
            st.integers(0, num_items - 1), min_size=1, max_size=3, unique=True
        )
    )
    targets.append(wanted + [-1] * (3 - len(wanted)))
  return num_items, np.array(item_ids), np.array(targets)


def brute_force(item_ids, targets, num_items, k):
  recalls, ndcgs, ranks, shown, valid = [], [], [], set(), 0
  for row, wanted in zip(item_ids.tolist(), targets.tolist(), strict=True):
    row = [item for item in row[:k] if item != -1]
    wanted = [item for item in wanted if item != -1]
    recalls.append(len(set(row) & set(wanted)) / len(wanted))
    gain = sum(
        1 / math.log2(rank + 1)
        for rank, item in enumerate(row, start=1)
        if item in wanted
    )
    best = sum(
        1 / math.log2(rank + 1) for rank in range(1, min(len(wanted), k) + 1)
    )
    ndcgs.append(gain / best)
    ranks.append(
        max(
            (1 / (row.index(item) + 1) for item in wanted if item in row),
            default=0.0,
        )
    )
    shown |= set(row)
    valid += len(row)
  return {
      f'retrieval/recall@{k}': np.mean(recalls),
      f'retrieval/ndcg@{k}': np.mean(ndcgs),
      f'retrieval/mrr@{k}': np.mean(ranks),
      f'retrieval/coverage@{k}': len(shown) / num_items,
      f'retrieval/effective_vocabulary@{k}': effective_vocabulary(item_ids, k),
      f'retrieval/valid_item_rate@{k}': valid / (len(item_ids) * k),
  }


@given(ranked_lists())
@settings(max_examples=100, deadline=None)
def test_all_metrics_equal_brute_force(case):
  num_items, item_ids, targets = case
  ks = range(1, item_ids.shape[1] + 1)
  found = metrics.retrieval_metrics(
      item_ids, item_ids != -1, targets, ks=ks, num_items=num_items
  )
  expected = {}
  for k in ks:
    expected |= brute_force(item_ids, targets, num_items, k)
  assert found == pytest.approx(expected)


def test_metrics_of_one_target_have_hand_computed_values():
  # Ranks of the targets: 1, 3, 4 and not at all.
  item_ids = np.array([[7, 1, 2, 3], [1, 2, 7, 3], [1, 2, 3, 7], [1, 2, 3, 4]])
  targets = np.full((4, 1), 7)
  found = metrics.retrieval_metrics(
      item_ids, item_ids >= 0, targets, ks=(1, 3), num_items=10
  )
  assert found == pytest.approx(
      {
          'retrieval/recall@1': 1 / 4,
          'retrieval/ndcg@1': 1 / 4,
          'retrieval/mrr@1': 1 / 4,
          'retrieval/coverage@1': 2 / 10,
          'retrieval/effective_vocabulary@1': 2,
          'retrieval/valid_item_rate@1': 1.0,
          'retrieval/recall@3': 2 / 4,
          'retrieval/ndcg@3': (1 + 0.5) / 4,
          'retrieval/mrr@3': (1 + 1 / 3) / 4,
          'retrieval/coverage@3': 4 / 10,
          'retrieval/effective_vocabulary@3': 4,
          'retrieval/valid_item_rate@3': 1.0,
      }
  )


def test_ndcg_of_several_targets_has_the_value_of_scikit_learn():
  # sklearn.metrics.ndcg_score([[1, 0, 1, 1]], [[4, 3, 2, 1]], k=3).
  item_ids = np.array([[0, 1, 2, 3]])
  hit = metrics.hits(item_ids, np.array([[0, 2, 3]]))
  expected = (1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)
  assert metrics.ndcg(hit, np.array([3]), 3) == pytest.approx([expected])
  assert expected == pytest.approx(0.7039180890341347)


def test_padding_of_recommendations_never_hits_padding_of_targets():
  hit = metrics.hits(np.array([[-1, -1]]), np.array([[4, -1]]))
  assert not hit.any()


def test_valid_sid_rate_counts_only_sids_of_items():
  catalog = np.array([[1, 2, 0], [1, 2, 1], [5, 0, 0]])
  decoded = np.array(
      [
          [[1, 2, 1], [5, 0, 0], [5, 0, 1]],
          [[0, 5, 0], [-1, 2, 0], [1, 2, 0]],
      ]
  )
  assert metrics.valid_sid_rate(decoded, catalog) == pytest.approx(3 / 6)


def test_valid_sid_rate_of_many_wide_levels_does_not_overflow():
  rng = np.random.default_rng(0)
  catalog = rng.integers(2048, size=(50, 8))
  wrong = catalog.copy()
  wrong[:, -1] += 1
  decoded = np.concatenate([catalog, wrong])
  assert metrics.valid_sid_rate(decoded, catalog) == pytest.approx(0.5)
