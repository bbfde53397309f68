# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies as st
import numpy as np

from plum_jax.semantic_ids import prefix_index

_TUPLES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)),
    max_size=30,
)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(_TUPLES)
def test_find_equals_a_dictionary(rows):
  codes = np.array(rows, np.int32).reshape(-1, 3)
  first = {}
  for i, row in enumerate(rows):
    first.setdefault(row, i)
  index = prefix_index.PrefixIndex(codes, (3, 4, 2))
  asked = np.stack(
      np.meshgrid(range(-1, 4), range(-1, 5), range(-1, 3)), axis=-1
  )
  expected = [first.get(tuple(t), -1) for t in asked.reshape(-1, 3).tolist()]
  assert index.find(asked).ravel().tolist() == expected


def test_find_works_when_the_levels_exceed_64_bits():
  generator = np.random.default_rng(0)
  codes = generator.integers(0, 2048, (500, 8))
  index = prefix_index.PrefixIndex(codes, (2048,) * 8)
  np.testing.assert_array_equal(index.find(codes), np.arange(500))
  assert np.all(index.find((codes + 1) % 2048) == -1)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(_TUPLES)
def test_rank_within_groups_counts_earlier_equal_rows(rows):
  codes = np.array(rows, np.int32).reshape(-1, 3)
  expected = [rows[:i].count(row) for i, row in enumerate(rows)]
  assert prefix_index.rank_within_groups(codes).tolist() == expected


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(_TUPLES)
def test_number_groups_numbers_distinct_rows_in_ascending_order(rows):
  distinct = sorted(set(rows))
  codes = np.array(rows, np.int32).reshape(-1, 3)
  expected = [distinct.index(row) for row in rows]
  assert prefix_index.number_groups(codes).tolist() == expected
  assert not np.any(prefix_index.number_groups(codes[:, :0]))
