# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Deciles of popularity, and recall of their targets, against loops."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.evaluation import item_groups


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_deciles_follow_the_share_of_interactions_before_an_item(counts):
  found = item_groups.popularity_deciles(np.array(counts)).tolist()
  order = sorted(range(len(counts)), key=lambda item: (-counts[item], item))
  before = 0
  for item in order:
    if counts[item]:
      assert 10 * before >= (found[item] - 1) * sum(counts)
      assert 10 * before < found[item] * sum(counts)
    else:
      assert found[item] == 0
    before += counts[item]


def test_equal_counts_make_equal_deciles():
  found = item_groups.popularity_deciles(np.full(20, 3))
  np.testing.assert_array_equal(found, np.repeat(np.arange(1, 11), 2))


def test_recall_by_group_is_counted_target_by_target():
  rng = np.random.default_rng(0)
  item_ids = np.array([rng.permutation(12)[:5] for _ in range(40)])
  targets = np.array([rng.permutation(12)[:3] for _ in range(40)])
  targets[::3, 1:] = -1
  deciles = item_groups.popularity_deciles(rng.integers(0, 9, 12))
  cold = np.arange(12) % 4 == 0
  found = item_groups.group_metrics(
      item_ids, targets, deciles=deciles, cold_start_items=cold, ks=(1, 5)
  )
  groups = {f'popularity_decile_{d}': deciles == d for d in range(1, 11)}
  for name, members in {**groups, 'cold_start': cold}.items():
    wanted = [
        (row, item)
        for row, items in enumerate(targets.tolist())
        for item in items
        if item != -1 and members[item]
    ]
    assert found[f'{name}/num_targets'] == len(wanted)
    for k in (1, 5):
      hits = sum(item in item_ids[row, :k] for row, item in wanted)
      expected = hits / len(wanted) if wanted else None
      assert found[f'{name}/recall@{k}'] == expected


def test_recall_is_undefined_without_a_target_of_the_group():
  found = item_groups.group_metrics(
      np.array([[0, 1]]),
      np.array([[1]]),
      deciles=np.array([1, 1]),
      cold_start_items=np.array([False, False]),
      ks=(1,),
  )
  assert found['cold_start/num_targets'] == 0
  assert found['cold_start/recall@1'] is None
  assert found['popularity_decile_1/recall@1'] == pytest.approx(0)


def test_padding_is_no_target_of_any_group():
  everything = np.ones(3, bool)
  recall = item_groups.recall_of_group(
      np.array([[0, -1]]), np.array([[0, -1]]), everything, k=2
  )
  assert recall == pytest.approx(1)
