# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prefixes, collisions and use of codes against counting one by one."""

import collections

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np

from plum_jax.semantic_ids.quality import collision_groups
from plum_jax.semantic_ids.quality import level_use
from plum_jax.semantic_ids.quality import prefixes

_CODES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2)),
    min_size=1,
    max_size=15,
)


@given(_CODES)
@settings(max_examples=60, deadline=None)
def test_prefix_groups_number_prefixes_in_their_order(codes):
  groups = prefixes.prefix_groups(np.array(codes))
  for length, found in enumerate(groups):
    ordered = sorted({sid[:length] for sid in codes})
    assert found.tolist() == [ordered.index(sid[:length]) for sid in codes]


@given(_CODES)
@settings(max_examples=60, deadline=None)
def test_subtree_sizes_equal_counting(codes):
  groups = prefixes.prefix_groups(np.array(codes))
  for length, found in enumerate(groups):
    counts = list(collections.Counter(s[:length] for s in codes).values())
    sizes = prefixes.subtree_sizes(found)
    assert sizes.num_subtrees == len(counts)
    assert sizes.mean == np.mean(counts)
    assert sizes.median == np.median(counts)
    assert sizes.largest == max(counts)
    assert sizes.pairs == sum(n * (n - 1) // 2 for n in counts)


def test_prefix_groups_of_many_large_levels_do_not_overflow():
  generator = np.random.default_rng(0)
  codes = generator.integers(0, 2048, (500, 8))
  codes[1] = codes[0]
  groups = prefixes.prefix_groups(codes)
  assert groups[-1].max() == 498
  assert groups[-1][0] == groups[-1][1]


@given(_CODES)
@settings(max_examples=60, deadline=None)
def test_collisions_equal_counting(codes):
  groups = prefixes.prefix_groups(np.array(codes))
  found = collision_groups.count(groups[-1])
  counts = collections.Counter(codes)
  shared = [n for n in counts.values() if n > 1]
  assert found.uniqueness == len(counts) / len(codes)
  assert found.items_without_collision == (
      sum(n == 1 for n in counts.values()) / len(codes)
  )
  assert found.num_groups == len(shared)
  assert found.num_items == sum(shared)
  assert found.largest_group == max(counts.values())
  assert found.sizes == tuple(sorted(collections.Counter(shared).items()))


def test_collision_groups_come_largest_first():
  codes = np.array([[1, 1], [0, 0], [2, 2], [1, 1], [0, 0], [1, 1]])
  groups = collision_groups.collision_groups(codes)
  assert [(g.codes, g.rows) for g in groups] == [
      ((1, 1), (0, 3, 5)),
      ((0, 0), (1, 4)),
  ]
  assert len(collision_groups.collision_groups(codes, most=1)) == 1


def test_collision_groups_are_none_when_all_codes_differ():
  assert collision_groups.collision_groups(np.array([[0], [1]])) == []


def test_level_use_equals_hand_computed_values():
  codes = np.array([[0, 1], [0, 1], [3, 1], [3, 1]])
  first, second = level_use.level_use(codes, (4, 2))
  assert first == level_use.LevelUse(4, 2, 0.5, 2.0)
  assert first.dead_codes == 2
  assert second == level_use.LevelUse(2, 1, 0.5, 1.0)
