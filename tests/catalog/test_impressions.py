# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import impression_splits
from plum_jax.catalog import impressions
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import GRADED
from plum_jax.catalog.impressions import Label

_DAY = 86_400
_LABELS = (Label('click', BINARY), Label('watched', GRADED))


def _random(seed=0, count=300, num_items=12, num_users=5, seconds=40):
  """Few seconds, so that many impressions tie."""
  rng = np.random.default_rng(seed)
  clicks = rng.integers(2, size=count).astype(np.float32)
  clicks[rng.random(count) < 0.1] = np.nan
  return impressions.make(
      rng.integers(seconds, size=count),
      rng.integers(num_users, size=count),
      rng.integers(num_items, size=count),
      np.stack([clicks, rng.random(count)], axis=1),
      labels=_LABELS,
      num_items=num_items,
  )


@pytest.mark.parametrize('seed', range(3))
def test_histories_equal_brute_force(seed):
  made = _random(seed)
  found = made.histories(np.arange(len(made)), 4)
  for row in range(len(made)):
    earlier = [
        made.items[other]
        for other in range(len(made))
        if made.users[other] == made.users[row]
        and made.times[other] < made.times[row]
        and made.values[other, 0] == 1
    ]
    expected = [-1] * 4 + earlier
    assert found[row].tolist() == expected[-4:]


def test_current_item_is_newest_of_the_history_unless_given():
  made = _random()
  newest = made.histories(np.arange(len(made)), 1)[:, 0]
  np.testing.assert_array_equal(made.current_items, newest)
  given = impressions.make(
      np.array([2, 1]),
      np.array([0, 0]),
      np.array([3, 4]),
      np.ones((2, 2)),
      labels=_LABELS,
      num_items=9,
      current_items=np.array([7, -1]),
  )
  assert given.current_items.tolist() == [-1, 7]


def test_saved_impressions_are_read_back(tmp_path):
  made = _random()
  impressions.save(made, tmp_path)
  found = impressions.load(tmp_path, 12)
  assert found.labels == made.labels
  for name in ('times', 'users', 'current_items', 'items', 'values'):
    np.testing.assert_array_equal(getattr(found, name), getattr(made, name))


def test_load_refuses_a_smaller_catalog_and_a_missing_file(tmp_path):
  impressions.save(_random(), tmp_path)
  with pytest.raises(InputError, match='item number 11'):
    impressions.load(tmp_path, 11)
  with pytest.raises(InputError, match='cannot be read'):
    impressions.load(tmp_path / 'nowhere', 12)


def test_load_refuses_a_damaged_file(tmp_path):
  (tmp_path / impressions.FILE_NAME).write_bytes(b'PAR1')
  with pytest.raises(InputError, match='cannot be read'):
    impressions.load(tmp_path, 12)


@pytest.mark.parametrize(
    ('values', 'labels', 'message'),
    [
        ([[0.5, 1]], _LABELS, 'binary label click is 0.5'),
        ([[1, np.inf]], _LABELS, 'graded label watched is inf'),
        ([[1.0]], (Label('watched', GRADED),), 'labels are'),
        (np.zeros((0, 2)), _LABELS, 'no impressions'),
    ],
)
def test_check_refuses_labels_that_are_none(values, labels, message):
  count = len(values)
  made = impressions.make(
      np.arange(count),
      np.zeros(count),
      np.zeros(count),
      np.asarray(values),
      labels=labels,
      num_items=1,
      current_items=np.zeros(count),
  )
  with pytest.raises(InputError, match=message):
    impressions.check(made, 'here')


def _of_days(days, items):
  count = len(days)
  return impressions.make(
      np.asarray(days) * _DAY + 5,
      np.zeros(count),
      np.asarray(items),
      np.ones((count, 2)),
      labels=_LABELS,
      num_items=6,
  )


def test_split_tests_the_last_day_and_finds_items_first_seen_on_it():
  made = _of_days([0, 0, 1, 2, 2, 2], [0, 1, 1, 1, 3, 4])
  split = impression_splits.by_day(made)
  assert (split.train, split.test) == (slice(0, 3), slice(3, 6))
  assert np.flatnonzero(split.cold_start_items).tolist() == [3, 4]


def test_split_of_a_named_day_leaves_out_what_comes_after():
  made = _of_days([0, 0, 1, 2], [0, 1, 2, 5])
  split = impression_splits.by_day(made, last_train_day='1970-01-01')
  assert (split.train, split.test) == (slice(0, 2), slice(2, 3))
  assert np.flatnonzero(split.cold_start_items).tolist() == [2]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'last_train_day': '1970-01-09'}, 'leaves 4'),
        ({'test_days': 9}, 'leaves 0'),
        ({'test_days': 0}, 'and 0 to test'),
        ({'last_train_day': 'monday'}, 'day cannot be read'),
    ],
)
def test_split_that_leaves_nothing_is_refused(options, message):
  with pytest.raises(InputError, match=message):
    impression_splits.by_day(_of_days([0, 0, 1, 2], [0, 1, 2, 5]), **options)
