# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Stability against counting pairs of items one by one."""

import itertools

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.semantic_ids.quality import prefixes
from plum_jax.semantic_ids.quality import stability

_PARTITIONS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=14
)


def _brute_force(first, second):
  """The index as Hubert and Arabie define it, by counts of pairs."""
  both = one = two = every = 0
  for i, j in itertools.combinations(range(len(first)), 2):
    a, b = first[i] == first[j], second[i] == second[j]
    both, one, two, every = both + (a and b), one + a, two + b, every + 1
  expected = one * two / every
  most = (one + two) / 2
  return 1.0 if most == expected else (both - expected) / (most - expected)


@given(_PARTITIONS)
@settings(max_examples=150, deadline=None)
def test_adjusted_rand_index_equals_counting_pairs(partitions):
  first, second = np.array(partitions).T
  found = stability.adjusted_rand_index(first, second)
  assert found == pytest.approx(_brute_force(first, second))
  again = stability.adjusted_rand_index(second, first)
  assert found == pytest.approx(again)


def test_adjusted_rand_index_does_not_see_the_numbers_of_codes():
  groups = np.random.default_rng(0).integers(0, 9, 1000)
  renamed = np.random.default_rng(1).permutation(9)[groups]
  shuffled = np.random.default_rng(2).permutation(groups)
  assert stability.adjusted_rand_index(groups, renamed) == 1.0
  assert abs(stability.adjusted_rand_index(groups, shuffled)) < 0.01


def test_agreement_counts_identical_prefixes_and_stops_at_the_shorter():
  first = np.array([[0, 1, 2], [0, 1, 3], [1, 1, 0], [2, 0, 0]])
  second = np.array([[0, 1], [0, 2], [3, 1], [2, 0]])
  one, two = stability.agreement(
      first,
      second,
      prefixes.prefix_groups(first),
      prefixes.prefix_groups(second),
  )
  assert one == stability.Agreement(1.0, 0.75)
  assert two.identical == 0.5
  assert two.adjusted_rand == 0.0
