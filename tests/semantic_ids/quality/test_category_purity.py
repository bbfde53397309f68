# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Purity of categories against counting one by one."""

import collections

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pyarrow as pa
import pytest

from plum_jax.semantic_ids.quality import category_purity

_PATHS = pa.list_(pa.list_(pa.string()))


def _labels(categories):
  return category_purity.category_labels(pa.array(categories, _PATHS))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.lists(st.sampled_from('abc'), max_size=3)
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=80, deadline=None)
def test_purity_equals_counting(items):
  groups = np.array([group for group, _ in items])
  labels = _labels([[[name] for name in names] for _, names in items])
  members = collections.defaultdict(list)
  for group, names in items:
    if names:
      members[group].append(set(names))
  shared = [sets for sets in members.values() if len(sets) > 1]
  if not labels:
    assert not members
    return
  found = category_purity.purity(groups, labels['specific'])
  if not shared:
    assert found is None
    return
  most = [
      max(sum(name in names for names in sets) for name in 'abc')
      for sets in shared
  ]
  number = sum(map(len, shared))
  assert found.share == pytest.approx(sum(most) / number)
  assert found.num_items == number
  assert 0 < found.by_chance <= 1


def test_purity_of_labels_that_the_codes_follow_is_far_above_chance():
  groups = np.repeat(np.arange(20), 50)
  labels = _labels([[[str(group)]] for group in groups])['specific']
  found = category_purity.purity(groups, labels)
  assert found.share == 1.0
  assert found.by_chance < 0.2
  assert found == category_purity.purity(groups, labels)
  assert found != category_purity.purity(groups, labels, seed=1)


def test_purity_of_codes_that_say_nothing_is_that_of_chance():
  generator = np.random.default_rng(0)
  groups = generator.integers(0, 20, 4000)
  names = generator.integers(0, 5, 4000)
  found = category_purity.purity(
      groups, _labels([[[str(n)]] for n in names])['general']
  )
  assert found.share == pytest.approx(found.by_chance, abs=0.02)


def test_general_category_leaves_out_what_nearly_all_items_have():
  categories = [[['Beauty', 'Hair', 'Dye']]] * 10 + [[['Beauty', 'Nails']]] * 9
  labels = _labels([*categories, [['Baby', 'Soap']], []])
  assert labels['general'].names == (
      'Beauty > Hair',
      'Beauty > Nails',
      'Baby > Soap',
  )
  assert labels['specific'].names[0] == 'Beauty > Hair > Dye'
  assert labels['general'].num_items == 21
  assert _labels([[['Film', 'Drama']], [['Song', 'Drama']]])[
      'general'
  ].names == ('Film', 'Song')


def test_item_with_two_paths_of_one_beginning_counts_once():
  labels = _labels([[['a', 'x'], ['a', 'y']], [['b']]])
  assert labels['general'].rows.tolist() == [0, 1]
  assert labels['specific'].rows.tolist() == [0, 0, 1]


def test_category_labels_of_a_catalog_without_categories_are_empty():
  assert _labels([[], [[]]]) == {}
