# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training windows: every target once an epoch, nothing from outside."""

import collections

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import history_windows

# User 0 has items 0..6, user 1 none, user 2 item 7, user 3 items 8..10; the
# last two of user 0 are outside of the training window.
ITEM_IDS = np.arange(11, dtype=np.int32)
STARTS = np.array([0, 7, 7, 8])
ENDS = np.array([5, 7, 8, 11])


def make_windows(**changes):
  arguments = {'max_length': 3, 'batch_size': 2, 'seed': 5} | changes
  return history_windows.HistoryWindows(ITEM_IDS, STARTS, ENDS, **arguments)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6),
    st.integers(1, 5),
    st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_windows_cover_each_target_once(lengths, max_length, seed):
  offsets = np.concatenate(([0], np.cumsum(lengths)))
  phases = np.random.default_rng(seed).integers(max_length, size=len(lengths))
  first, last = history_windows.cut_windows(
      offsets[:-1], offsets[1:], max_length, phases
  )
  covered = [
      position
      for low, high in zip(first, last, strict=True)
      for position in range(low, high + 1)
  ]
  expected = [
      position
      for start, end in zip(offsets[:-1], offsets[1:], strict=True)
      for position in range(start + 1, end)
  ]
  assert covered == expected
  assert np.all(last - first < max_length)
  assert np.all(last >= first)


def test_an_epoch_predicts_each_target_once_from_the_item_before():
  windows = make_windows(batch_size=1)
  pairs = collections.Counter()
  for _ in range(windows.num_windows):
    batch = next(windows)
    present = batch['loss_weights'][0] > 0
    pairs.update(
        zip(
            batch['history_item_ids'][0, present].tolist(),
            batch['target_item_ids'][0, present].tolist(),
            strict=True,
        )
    )
    assert np.all(batch['history_item_ids'][0, ~present] == -1)
    assert np.all(batch['target_item_ids'][0, ~present] == -1)
  expected = [(0, 1), (1, 2), (2, 3), (3, 4), (8, 9), (9, 10)]
  assert pairs == collections.Counter(expected)
  assert windows.num_targets == 6


def test_rows_are_padded_on_the_left_and_have_fixed_shapes():
  windows = make_windows()
  for _ in range(6):
    batch = next(windows)
    assert {key: value.shape for key, value in batch.items()} == {
        'history_item_ids': (2, 3),
        'target_item_ids': (2, 3),
        'loss_weights': (2, 3),
    }
    weights = batch['loss_weights']
    assert np.all(np.diff(weights, axis=1) >= 0)
    assert np.all(weights[:, -1] == 1)


def test_a_restored_position_gives_the_same_batches():
  windows = make_windows()
  for _ in range(4):
    next(windows)
  state = windows.state()
  expected = [next(windows) for _ in range(5)]
  other = make_windows()
  other.restore(state)
  for batch in expected:
    found = next(other)
    for key, value in batch.items():
      np.testing.assert_array_equal(found[key], value)


def test_cuts_differ_between_epochs_and_seeds():
  def epoch(seed, number):
    windows = make_windows(seed=seed, batch_size=1)
    windows.restore({'epoch': number, 'position': 0})
    count = windows.num_windows
    return str(
        [next(windows)['target_item_ids'].tolist() for _ in range(count)]
    )

  assert epoch(0, 0) == epoch(0, 0)
  assert len({epoch(seed, n) for seed in range(3) for n in range(3)}) > 3


def test_processes_share_the_batch_of_one():
  whole = make_windows(batch_size=4)
  parts = [
      make_windows(batch_size=4, process_index=i, process_count=2)
      for i in range(2)
  ]
  for _ in range(3):
    expected = next(whole)
    found = [next(part) for part in parts]
    for key, value in expected.items():
      np.testing.assert_array_equal(
          np.concatenate([batch[key] for batch in found]), value
      )


def test_windows_refuse_histories_with_nothing_to_predict():
  with pytest.raises(InputError, match='no next item'):
    history_windows.HistoryWindows(
        ITEM_IDS,
        np.array([0, 1]),
        np.array([1, 1]),
        max_length=3,
        batch_size=2,
        seed=0,
    )


def test_windows_refuse_processes_that_do_not_divide_the_batch():
  with pytest.raises(InputError, match='evenly'):
    make_windows(batch_size=3, process_count=2)
