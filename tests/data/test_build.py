# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from plum_jax.artifacts.errors import InputError
from plum_jax.data import build
from plum_jax.data import rewards
from plum_jax.data.source import TfdsDirectorySource
from tests.data.tiny_run import CODES
from tests.data.tiny_run import write_inputs

_HISTORIES = [[0, 5, 3, 1], [2, 4], [1, 2, 0]]
# The first half of the test split's SHA-256.
_TEST_SPLIT_SHA256 = 'c978024d1df06311117fdf92f979ca45'
_SIDS = [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [0, 0, 1]]


def _build(root, **kwargs):
  return build.build(
      root / 'tasks',
      catalog_directory=root / 'catalog',
      semantic_ids_directory=root / 'semantic_ids',
      **kwargs,
  )


def _read(folder, split):
  dataset = tfds.builder_from_directory(str(folder)).as_dataset(split=split)
  return list(dataset.as_numpy_iterator())


def _sids(items):
  return [code for item in items for code in _SIDS[item]]


def test_build_writes_training_windows_that_tfds_reads(tmp_path):
  write_inputs(tmp_path, _HISTORIES)
  _build(tmp_path)
  records = {r['user']: r for r in _read(tmp_path / 'tasks', 'train')}
  windows = {0: [0, 5], 1: [2, 4], 2: [1]}
  assert {u: r['item_ids'].tolist() for u, r in records.items()} == windows
  for user, record in records.items():
    assert record['user_id'] == f'u{user}'.encode()
    assert record['sid_codes'].tolist() == _sids(windows[user])
    assert record['times'].tolist() == [0, 10][: len(windows[user])]
    assert record['ratings'].tolist() == [i + 0.5 for i in windows[user]]
    assert record['rewards'].tolist() == [1.0] * len(windows[user])
    assert record['target_item_id'] == -1
    assert record['target_sid_codes'].tolist() == []
    assert record['target_time'] == -1
    assert np.isnan(record['target_rating'])


@pytest.mark.parametrize(
    ('split', 'expected'),
    [
        ('validation', [(0, [0, 5], 3), (2, [1], 2)]),
        ('test', [(0, [0, 5, 3], 1), (2, [1, 2], 0)]),
    ],
)
def test_build_writes_the_history_before_each_target(tmp_path, split, expected):
  write_inputs(tmp_path, _HISTORIES)
  _build(tmp_path)
  records = _read(tmp_path / 'tasks', split)
  found = [
      (r['user'], r['item_ids'].tolist(), r['target_item_id']) for r in records
  ]
  assert found == expected
  for record, (_, history, target) in zip(records, expected, strict=True):
    assert record['sid_codes'].tolist() == _sids(history)
    assert record['target_sid_codes'].tolist() == _sids([target])
    assert record['target_time'] == 10 * len(history)
    assert record['target_rating'] == target + 0.5


def test_build_writes_numbers_and_rewards_beside_each_interaction(tmp_path):
  numbers = {'watch_ratio': [0.5, None, 0.25, 1.0, 0.1, 0.2, 0.3, 0.4, 0.5]}
  write_inputs(tmp_path, _HISTORIES, numbers=numbers)
  _build(tmp_path, reward='rating >= 2')
  train = {r['user']: r for r in _read(tmp_path / 'tasks', 'train')}
  # Ratings are item numbers and a half.
  assert train[0]['item_ids'].tolist() == [0, 5]
  assert train[0]['rewards'].tolist() == [0.0, 1.0]
  np.testing.assert_array_equal(
      train[0]['number_watch_ratio'], np.float32([0.5, np.nan])
  )
  assert np.isnan(train[0]['target_number_watch_ratio'])
  test = {r['user']: r for r in _read(tmp_path / 'tasks', 'test')}
  assert test[0]['target_reward'] == 0.0
  assert test[0]['target_number_watch_ratio'] == 1.0
  summary = rewards.RewardSummary.load(tmp_path / 'tasks')
  assert summary == rewards.RewardSummary('rating >= 2', True, 1.0)


def test_largest_reward_is_that_of_the_training_windows(tmp_path):
  write_inputs(tmp_path, _HISTORIES)
  _build(tmp_path, reward='rating / 10')
  # Items 0, 5, 2, 4 and 1 are trained on.
  summary = rewards.RewardSummary.load(tmp_path / 'tasks')
  assert summary.largest == pytest.approx(0.55)


@pytest.mark.parametrize(
    ('reward', 'what', 'where'),
    [
        ('1 - rating', 'is -4.5; 7 rewards cannot be used', 'row 2, REWARD'),
        ('reward', "'u0' and item 'i0' is missing; 9", 'row 1, REWARD'),
        ('log(rating - 0.5)', 'is -inf; 2', 'row 1, REWARD'),
        ('0 * rating', 'training windows has a reward above 0', 'REWARD'),
        ('stars', "no column 'stars'", 'REWARD'),
    ],
)
def test_rewards_that_cannot_be_are_refused_with_their_row(
    tmp_path, reward, what, where
):
  write_inputs(tmp_path, _HISTORIES)
  with pytest.raises(InputError, match=what) as caught:
    _build(tmp_path, reward=reward)
  assert where in caught.value.where
  assert not (tmp_path / 'tasks').exists()


def test_records_of_a_split_by_time_say_what_is_to_be_predicted(tmp_path):
  # One day apart, from day 0, 2 and 3 on.
  day = 86_400
  write_inputs(
      tmp_path, _HISTORIES, starts=[0, 2 * day, 3 * day], step_seconds=day
  )
  _build(
      tmp_path,
      split='by_time',
      split_options={'last_train_day': '1970-01-04', 'train_days': 2},
  )
  train = {r['user']: r for r in _read(tmp_path / 'tasks', 'train')}
  found = {
      u: (r['item_ids'].tolist(), r['first_target']) for u, r in train.items()
  }
  # Days 2 and 3 are learnt; user 2's only interaction then is the first.
  assert found == {0: ([0, 5, 3, 1], 2), 1: ([2, 4], 0), 2: ([1], 0)}
  [test] = _read(tmp_path / 'tasks', 'test')
  assert (test['target_item_id'], test['first_target']) == (2, 1)


def test_build_makes_files_that_can_be_moved_and_are_the_same_each_time(
    tmp_path,
):
  write_inputs(tmp_path, _HISTORIES)
  first = _build(tmp_path)
  assert _build(tmp_path) == first  # Skipped.
  moved = tmp_path / 'elsewhere'
  (tmp_path / 'tasks').rename(moved)
  assert len(_read(moved, 'train')) == 3
  assert _build(tmp_path).outputs == first.outputs
  assert not any(
      str(tmp_path).encode() in file.read_bytes() for file in moved.iterdir()
  )


def test_build_orders_training_records_by_the_seed_and_shares_them_evenly(
    tmp_path,
):
  write_inputs(tmp_path, [[0, 1]] * 20)
  orders = []
  for seed in (0, 1):
    _build(tmp_path, seed=seed, examples_per_shard=6)
    orders.append([r['user'] for r in _read(tmp_path / 'tasks', 'train')])
    info = tfds.builder_from_directory(str(tmp_path / 'tasks')).info
    # No user is long enough for a target.
    assert list(info.splits) == ['train']
    assert info.splits['train'].shard_lengths == [5, 5, 5, 5]
  assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
  assert orders[0] != orders[1]
  assert orders[0] != sorted(orders[0])


def test_targets_are_read_in_the_order_of_the_users_from_several_files(
    tmp_path,
):
  # More records a file than TFDS lets take turns by itself.
  write_inputs(tmp_path, [[0, 1, 2]] * 60)
  _build(tmp_path, examples_per_shard=20)
  source = TfdsDirectorySource(tmp_path / 'tasks')
  assert len(source.list_shards('test')) == 3
  for split in ('validation', 'test'):
    dataset = source.get_dataset(split, shuffle=False)
    users = [record['user'] for record in dataset.as_numpy_iterator()]
    assert users == list(range(60))


def test_build_refuses_a_sid_table_of_other_items(tmp_path):
  write_inputs(tmp_path, _HISTORIES)
  write_inputs(tmp_path / 'other', [[0, 1, 2]], CODES[:4])
  with pytest.raises(InputError, match='has 4 items, the catalog 6'):
    build.build(
        tmp_path / 'tasks',
        catalog_directory=tmp_path / 'catalog',
        semantic_ids_directory=tmp_path / 'other' / 'semantic_ids',
    )
  assert not (tmp_path / 'tasks').exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'split': 'by_chance'}, 'no split called'),
        ({'split_options': {'test_days': 1}}, 'no such option'),
        (
            {'split': 'by_time', 'split_options': {'min_history': 0}},
            'The history of user .* is empty',
        ),
    ],
)
def test_build_refuses_splits_that_cannot_be_made(tmp_path, options, message):
  # The second user comes on the second day, which is for the test.
  write_inputs(tmp_path, [[0, 1], [1]], starts=[0, 86_400])
  with pytest.raises(InputError, match=message):
    _build(tmp_path, **options)
  assert not (tmp_path / 'tasks').exists()


def test_build_writes_the_same_bytes_in_every_process(tmp_path):
  write_inputs(tmp_path, _HISTORIES)
  _build(tmp_path)
  file = tmp_path / 'tasks' / 'user_histories-test.tfrecord-00000-of-00001'
  found = hashlib.sha256(file.read_bytes()).hexdigest()
  assert found.startswith(_TEST_SPLIT_SHA256)
