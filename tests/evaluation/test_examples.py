# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Examples: histories end before their targets."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories
from plum_jax.evaluation import examples


def make_histories(lengths, item_ids, num_items):
  total = sum(lengths)
  return Histories(
      user_ids=np.array([f'u{i}' for i in range(len(lengths))]),
      offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
      item_ids=np.asarray(item_ids, np.int32),
      times=np.arange(total, dtype=np.int64),
      ratings=np.full(total, np.nan, np.float32),
      rewards=np.full(total, np.nan, np.float32),
      first_seen=np.zeros(num_items, np.int64),
      time_kind='absolute',
  )


def test_examples_of_leave_one_out_have_literal_values():
  histories = make_histories([4, 2, 3], [5, 6, 7, 8, 1, 2, 3, 4, 9], 10)
  split = splits.leave_one_out(histories)
  test = examples.make_examples(histories, split.test)
  assert test.user.tolist() == [0, 2]
  assert test.target_item_ids.tolist() == [8, 9]
  assert test.history_item_ids.tolist() == [[5, 6, 7], [-1, 3, 4]]
  assert list(test.features) == ['history_item_ids']
  validation = examples.make_examples(histories, split.validation, 1)
  assert validation.target_item_ids.tolist() == [7, 4]
  assert validation.history_item_ids.tolist() == [[6], [3]]


@given(
    st.lists(st.integers(3, 8), min_size=1, max_size=5),
    st.integers(1, 9),
)
@settings(max_examples=50, deadline=None)
def test_histories_hold_nothing_at_or_after_the_target(lengths, kept):
  # Items are numbered by position, so that an item tells where it stood.
  total = sum(lengths)
  histories = make_histories(lengths, np.arange(total), total)
  split = splits.leave_one_out(histories)
  for targets in (split.validation, split.test):
    found = examples.make_examples(histories, targets, kept)
    for row, user in enumerate(found.user):
      history = found.history_item_ids[row]
      target = found.target_item_ids[row]
      expected = np.arange(histories.offsets[user], target)[-kept:]
      np.testing.assert_array_equal(history[history >= 0], expected)
      assert np.all(history[: kept - len(expected)] == -1)


def test_make_examples_refuses_a_split_without_targets():
  histories = make_histories([2, 1], [0, 1, 2], 3)
  with pytest.raises(InputError, match='no targets'):
    examples.make_examples(histories, splits.leave_one_out(histories).test)
