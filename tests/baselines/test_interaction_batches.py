# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.interaction_batches import BprBatches
from plum_jax.baselines.interaction_batches import InteractionBatches


def _rows(batches, number):
  return np.concatenate(
      [batch['row'] for batch in itertools.islice(batches, number)]
  )


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own():
  batches = InteractionBatches({'row': np.arange(10)}, batch_size=4, seed=0)
  rows = _rows(batches, 5)
  first, second = rows[:10].tolist(), rows[10:].tolist()
  assert sorted(first) == sorted(second) == list(range(10))
  assert first != second
  again = InteractionBatches({'row': np.arange(10)}, batch_size=4, seed=0)
  assert _rows(again, 5).tolist() == rows.tolist()
  other = InteractionBatches({'row': np.arange(10)}, batch_size=4, seed=1)
  assert _rows(other, 5).tolist() != rows.tolist()


def _bpr(seed=0):
  # User 1 has chosen all items but 2.
  user = np.array([0, 0, 1, 1, 1, 1])
  item_ids = np.array([0, 3, 0, 1, 3, 4])
  return BprBatches(user, item_ids, num_items=5, batch_size=4, seed=seed)


def test_negatives_are_what_the_user_did_not_choose():
  drawn = {0: set(), 1: set()}
  for batch in itertools.islice(_bpr(), 60):
    columns = batch['user'], batch['negative_item_ids'], batch['loss_weights']
    for user, negative, weight in zip(*columns, strict=True):
      assert weight in (0, 1)
      if weight:
        drawn[user].add(int(negative))
  assert drawn == {0: {1, 2, 4}, 1: {2}}


def test_a_user_of_all_items_weighs_nothing():
  batches = BprBatches(
      np.zeros(3, int), np.arange(3), num_items=3, batch_size=2, seed=0
  )
  assert not next(batches)['loss_weights'].any()


@pytest.mark.parametrize('num_before', [1, 2])
def test_restored_batches_go_on_where_they_were(num_before):
  batches = _bpr()
  for _ in range(num_before):
    next(batches)
  state = batches.state()
  expected = [next(batches) for _ in range(3)]
  other = _bpr()
  other.restore(state)
  for batch in expected:
    found = next(other)
    assert set(found) == set(batch)
    for name, array in batch.items():
      np.testing.assert_array_equal(found[name], array)


def test_no_interactions_are_refused():
  with pytest.raises(InputError, match='no interaction'):
    InteractionBatches({'user': np.zeros(0)}, batch_size=1, seed=0)
