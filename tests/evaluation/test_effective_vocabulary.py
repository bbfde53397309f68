# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Effective vocabulary against a search over numbers of items."""

import collections

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from plum_jax.evaluation.effective_vocabulary import effective_vocabulary
from plum_jax.evaluation.effective_vocabulary import impressions


@given(
    arrays.arrays(
        np.int64,
        st.tuples(*[st.integers(1, 9)] * 2),
        elements=st.integers(-1, 6),
    ),
    st.integers(1, 9),
)
def test_it_is_the_least_number_of_items_that_cover_the_share(item_ids, k):
  shown = [item for item in item_ids[:, :k].ravel().tolist() if item != -1]
  counts = collections.Counter(shown).most_common()
  expected = 0
  while 100 * sum(count for _, count in counts[:expected]) < 95 * len(shown):
    expected += 1
  assert effective_vocabulary(item_ids, k) == expected
  assert impressions(item_ids, k).tolist() == [count for _, count in counts]


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        ([19, 1], 1),
        ([18, 2], 2),
        ([1] * 100, 95),
        ([96, 1, 1, 1, 1], 1),
        ([], 0),
    ],
)
def test_hand_computed_values(counts, expected):
  item_ids = np.repeat(np.arange(len(counts)), counts)[:, None]
  assert effective_vocabulary(item_ids.reshape(-1, 1), k=1) == expected
