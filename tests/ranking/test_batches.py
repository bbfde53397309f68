# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import impressions
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import GRADED
from plum_jax.catalog.impressions import Label
from plum_jax.ranking.batches import BatchMaker
from plum_jax.ranking.batches import ImpressionBatches
from plum_jax.ranking.batches import Scaling
from plum_jax.ranking.item_features import ItemFeatures
from plum_jax.ranking.item_features import Table

_COUNT, _NUM_ITEMS = 103, 9


@pytest.fixture(name='log', scope='module')
def log_fixture():
  rng = np.random.default_rng(0)
  grades = rng.normal(5, 2, _COUNT)
  grades[rng.random(_COUNT) < 0.3] = np.nan
  return impressions.make(
      np.sort(rng.integers(10**6, size=_COUNT)),
      rng.integers(4, size=_COUNT),
      rng.integers(_NUM_ITEMS, size=_COUNT),
      np.stack([rng.integers(2, size=_COUNT), grades], axis=1),
      labels=(Label('click', BINARY), Label('grade', GRADED)),
      num_items=_NUM_ITEMS,
  )


@pytest.fixture(name='features', scope='module')
def features_fixture():
  rng = np.random.default_rng(1)
  pieces = rng.integers(6, size=(_NUM_ITEMS, 3)).astype(np.int32)
  pieces[::2, 2] = -1
  return ItemFeatures(pieces, (Table('spm', 6),))


@pytest.fixture(name='maker', scope='module')
def maker_fixture(log, features):
  scaling = Scaling.measure(log, slice(0, _COUNT))
  return BatchMaker(log, features, scaling, max_history=3)


def _batches(maker, order='time', rows=slice(0, _COUNT), **options):
  options = {'batch_size': 10, 'order': order, 'seed': 4, **options}
  return ImpressionBatches(maker, rows, **options)


def _named(batch, catalog):
  """Gives the items of the slots, found by their features."""
  held = next(batch[name] for name in batch if name.startswith('item_'))
  held = held.reshape(-1, held.shape[-1])
  rows = [np.flatnonzero((catalog == row[None, :]).all(axis=1)) for row in held]
  assert all(len(found) <= 1 for found in rows)
  named = np.array([found[0] if len(found) else -1 for found in rows])
  return np.where(batch['slots'] < 0, -1, named[batch['slots']])


def test_batch_holds_the_cached_features_of_every_slot(log, features, maker):
  rows = np.array([0, 50, 102])
  batch = maker.make(rows)
  assert batch['slots'].shape == (3, 5)
  expected = np.concatenate(
      [
          log.histories(rows, 3),
          log.current_items[rows, None],
          log.items[rows, None],
      ],
      axis=1,
  )
  np.testing.assert_array_equal(_named(batch, features.pieces), expected)


def test_batch_holds_an_item_once_however_often_it_is_shown(features, maker):
  batch = maker.make(np.arange(60))
  numbers = batch['slots'][batch['slots'] >= 0]
  assert set(numbers) == set(range(_NUM_ITEMS))
  pieces = batch['item_pieces'].reshape(-1, 3)
  assert batch['item_pieces'].shape == (60, 1, 3)
  np.testing.assert_array_equal(
      np.sort(pieces[:_NUM_ITEMS], axis=0), np.sort(features.pieces, axis=0)
  )
  assert np.all(pieces[_NUM_ITEMS:] == -1)


def test_items_without_room_are_refused(maker):
  rows = np.array([100, 101])
  assert maker.items_per_row([rows, np.array([0])]) > 1
  with pytest.raises(ValueError, match='with room for 2'):
    maker.make(rows, items_per_row=1)


def test_content_of_no_item_is_zero(log):
  content = np.arange(_NUM_ITEMS * 2, dtype=np.float32).reshape(-1, 2) + 1
  features = ItemFeatures(np.zeros((_NUM_ITEMS, 0), np.int32), (), content)
  maker = BatchMaker(log, features, Scaling((0, 0), (1, 1)), max_history=2)
  rows = np.array([0, 90])
  batch = maker.make(rows, items_per_row=6)
  assert 'item_pieces' not in batch
  assert batch['item_content'][1, -1].tolist() == [0, 0]
  assert batch['slots'][0, 0] == -1
  np.testing.assert_array_equal(_named(batch, content)[:, -1], log.items[rows])


def test_graded_labels_are_standardized_and_missing_ones_weigh_nothing(
    log, maker
):
  batch = maker.make(np.arange(_COUNT))
  there = batch['label_weights'][:, 1] > 0
  np.testing.assert_array_equal(there, ~np.isnan(log.values[:, 1]))
  assert batch['labels'][there, 1].mean() == pytest.approx(0, abs=1e-5)
  assert batch['labels'][there, 1].std() == pytest.approx(1, abs=1e-5)
  assert np.all(batch['labels'][~there, 1] == 0)
  np.testing.assert_array_equal(batch['labels'][:, 0], log.values[:, 0])


def test_context_is_hour_and_weekday():
  # 2024-01-01 was a Monday.
  made = impressions.make(
      np.array([1_704_067_200 + 5 * 3_600, 1_704_067_200 + 6 * 86_400]),
      np.zeros(2),
      np.zeros(2),
      np.ones((2, 1)),
      labels=(Label('click', BINARY),),
      num_items=1,
  )
  features = ItemFeatures(np.zeros((1, 1), np.int32), (Table('a', 1),))
  maker = BatchMaker(made, features, Scaling((0,), (1,)), max_history=0)
  batch = maker.make(np.arange(2))
  assert batch['context_ids'].tolist() == [[5, 0], [0, 6]]
  assert batch['slots'].shape == (2, 2)


def _candidates(batches, features, count=1):
  """Gives the items of the last slot in the next batches."""
  found = [_named(next(batches), features.pieces) for _ in range(count)]
  return np.concatenate(found)[:, -1]


def test_order_of_time_leaves_out_the_oldest(log, features, maker):
  batches = _batches(maker)
  assert batches.batches_per_epoch == 10
  items = _candidates(batches, features, 10)
  np.testing.assert_array_equal(items, log.items[3:])
  items = _candidates(batches, features)
  np.testing.assert_array_equal(items, log.items[3:13])


@pytest.mark.parametrize('order', ['time', 'shuffled'])
def test_batches_of_all_epochs_have_one_shape(maker, order):
  batches = _batches(maker, order, batch_size=3, num_epochs=3)
  shapes = {
      tuple((name, array.shape) for name, array in next(batches).items())
      for _ in range(4 * batches.batches_per_epoch)
  }
  assert len(shapes) == 1


def test_shuffled_epochs_hold_each_impression_at_most_once(
    maker, log, features
):
  batches = _batches(maker, 'shuffled', slice(0, 100), num_epochs=2)
  epochs = [_candidates(batches, features, 10) for _ in range(3)]
  for items in epochs:
    np.testing.assert_array_equal(np.sort(items), np.sort(log.items[:100]))
  assert not np.array_equal(epochs[0], epochs[1])
  np.testing.assert_array_equal(epochs[0], epochs[2])


@pytest.mark.parametrize('order', ['time', 'shuffled'])
def test_restored_position_goes_on_with_the_same_batches(maker, order):
  batches = _batches(maker, order)
  for _ in range(13):
    next(batches)
  state = batches.state()
  expected = [next(batches) for _ in range(9)]
  again = _batches(maker, order)
  again.restore(state)
  for one in expected:
    other = next(again)
    for name in one:
      np.testing.assert_array_equal(one[name], other[name])


def test_processes_share_a_batch(maker, features):
  whole = next(_batches(maker, 'shuffled'))
  parts = [
      next(_batches(maker, 'shuffled', process_index=n, process_count=2))
      for n in range(2)
  ]
  joined = {
      name: np.concatenate([part[name] for part in parts]) for name in whole
  }
  np.testing.assert_array_equal(
      _named(joined, features.pieces), _named(whole, features.pieces)
  )
  np.testing.assert_array_equal(joined['labels'], whole['labels'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'order': 'backwards'}, 'order one of'),
        ({'rows': slice(0, 9)}, 'batch_size from 1 to 9'),
        ({'process_count': 3}, 'multiple of 3'),
    ],
)
def test_batches_that_cannot_be_made_are_refused(maker, options, message):
  with pytest.raises(InputError, match=message):
    _batches(maker, **options)
