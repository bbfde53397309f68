# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Negatives: how often each item is drawn, and what is said about it."""

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.history_windows import HistoryWindows
from plum_jax.baselines.negative_sampling import BatchesWithNegatives
from plum_jax.baselines.negative_sampling import Negatives
from plum_jax.baselines.negative_sampling import NegativeSampling

COUNTS = np.array([8, 3, 0, 1])
TARGET_COUNTS = np.array([6, 2, 0, 0])
ITEMS = np.array([0, 1, 0, 0, 2, 0, 1, 3, 0, 0, 1, 0], np.int32)
STARTS, ENDS = np.array([0, 4, 8]), np.array([4, 8, 12])


def make_negatives(**changes):
  sampling = NegativeSampling(
      **{'num_in_batch': 2, 'num_sampled': 4, **changes}
  )
  return Negatives(sampling, COUNTS, TARGET_COUNTS)


def make_batches(seed=0, **parts):
  windows = HistoryWindows(
      ITEMS, STARTS, ENDS, max_length=2, batch_size=4, seed=seed
  )
  return BatchesWithNegatives(windows, make_negatives(), seed=seed, **parts)


def test_probabilities_are_the_mixture_worked_out_by_hand():
  found = make_negatives(power=0.5, smoothing=1.0).probs
  roots = np.sqrt([9, 4, 1, 2])
  expected = np.array([6, 2, 0, 0]) / 8 / 3 + roots / roots.sum() * 2 / 3
  np.testing.assert_allclose(found, expected)
  assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize('power', [0.0, 0.75, 1.0])
def test_draws_come_as_often_as_their_probability_says(power):
  negatives = make_negatives(power=power)
  # Targets in the proportions of the counts, as a whole epoch has them.
  targets = np.array([[0, 0, 0, 1, -1]] * 5_000, np.int32)
  drawn = negatives.draw(np.random.default_rng(1), targets)
  item_ids = drawn['negative_item_ids']
  assert item_ids.shape == (5_000, 6)
  shares = np.bincount(item_ids.ravel(), minlength=4) / item_ids.size
  np.testing.assert_allclose(shares, negatives.probs, atol=0.01)
  np.testing.assert_allclose(
      drawn['negative_log_probs'], np.log(negatives.probs[item_ids]), rtol=1e-6
  )


def test_in_batch_negatives_are_targets_of_the_batch():
  negatives = make_negatives(num_sampled=0, num_in_batch=3)
  targets = np.array([[-1, 1], [-1, -1]], np.int32)
  drawn = negatives.draw(np.random.default_rng(0), targets)
  np.testing.assert_array_equal(drawn['negative_item_ids'], np.full((2, 3), 1))


def test_batches_go_on_from_where_they_were():
  batches = make_batches()
  for _ in range(3):
    next(batches)
  state = batches.state()
  expected = [next(batches) for _ in range(3)]
  resumed = make_batches()
  resumed.restore(state)
  for one in expected:
    found = next(resumed)
    assert found.keys() == one.keys()
    for name, array in one.items():
      np.testing.assert_array_equal(found[name], array)


def test_negatives_change_from_batch_to_batch_and_with_the_seed():
  batches, other = make_batches(), make_batches(seed=1)
  first, second = (next(batches)['negative_item_ids'] for _ in range(2))
  assert np.any(first != second)
  assert np.any(first != next(other)['negative_item_ids'])


def test_parts_of_processes_make_up_the_whole_batch():
  whole = make_batches()
  parts = [
      make_batches(process_index=index, process_count=2) for index in (0, 1)
  ]
  for _ in range(3):
    expected = next(whole)
    found = [next(part) for part in parts]
    for name, array in expected.items():
      joined = np.concatenate([part[name] for part in found])
      np.testing.assert_array_equal(joined, array)


def test_a_batch_that_processes_cannot_share_is_refused():
  with pytest.raises(InputError, match='3 processes'):
    make_batches(process_index=0, process_count=3)


@pytest.mark.parametrize(
    'changes',
    [
        {'num_in_batch': 0, 'num_sampled': 0},
        {'num_in_batch': -1},
        {'power': -0.5},
        {'smoothing': 0.0},
    ],
)
def test_sampling_that_makes_no_sense_is_refused(changes):
  with pytest.raises(InputError):
    NegativeSampling(**changes)
