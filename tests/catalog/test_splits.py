# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from tests.catalog import random_histories

_DAY = splits.SECONDS_PER_DAY


@st.composite
def _by_time(draw):
  """Draws histories, a split of them by time, and what it was made with."""
  day = draw(st.integers(0, 3))
  arguments = {
      'validation_days': draw(st.integers(0, 2)),
      'test_days': draw(st.integers(1, 2)),
      'min_history': draw(st.integers(0, 2)),
  }
  # Something to train on and to test, so that no draw is refused.
  test_day = day + 1 + arguments['validation_days']
  rows = draw(random_histories.rows())
  rows.insert(draw(st.integers(0, len(rows))), (0, 0, day * _DAY))
  rows += [(0, 1, test_day * _DAY)] * 2
  histories = random_histories.make(rows)
  split = splits.by_time(
      histories, last_train_day=f'1970-01-{day + 1:02}', **arguments
  )
  return histories, split, (day, arguments)


@st.composite
def _leave_one_out(draw):
  histories = random_histories.make(draw(random_histories.rows()))
  return histories, splits.leave_one_out(histories), None


def _splits():
  return st.one_of(_leave_one_out(), _by_time())


@hypothesis.given(_splits())
def test_no_split_lets_anything_after_a_target_into_its_input(drawn):
  histories, split, by_time = drawn
  rows = histories.rewards
  for targets in (split.validation, split.test):
    for user, position in zip(targets.user, targets.position, strict=True):
      start, stop = histories.offsets[user : user + 2]
      assert start <= position < stop
      visible = slice(start, position)
      target = (histories.times[position], rows[position])
      assert all(
          entry < target
          for entry in zip(histories.times[visible], rows[visible], strict=True)
      )
      # The training window ends before the target, in the user's order ...
      assert split.train_end[user] <= position
    if by_time is not None and len(targets):
      # ... and no user's window reaches any user's target in time.
      mask = split.train_mask(histories)
      assert (
          histories.times[mask].max()
          < histories.times[targets.position].min() // _DAY * _DAY
      )


@hypothesis.given(_splits())
def test_no_interaction_is_in_two_parts_of_a_split(drawn):
  histories, split, _ = drawn
  parts = np.zeros(len(histories.item_ids), int)
  parts[split.train_mask(histories)] += 1
  for targets in (split.validation, split.test):
    assert (np.diff(targets.position) > 0).all()
    parts[targets.position] += 1
  assert parts.max() == 1


@hypothesis.given(_by_time(), st.integers(1, 3))
def test_training_days_change_nothing_but_where_targets_begin(drawn, days):
  histories, split, (day, arguments) = drawn
  last_day = f'1970-01-{day + 1:02}'
  narrowed = splits.by_time(
      histories, last_train_day=last_day, train_days=days, **arguments
  )
  assert split.train_start is None
  assert narrowed.train_end.tolist() == split.train_end.tolist()
  assert narrowed.test.position.tolist() == split.test.position.tolist()
  assert (narrowed.cold_start_items == split.cold_start_items).all()
  for user in range(histories.num_users):
    times = histories.times[histories.offsets[user] : split.train_end[user]]
    wanted = [n for n, time in enumerate(times) if time // _DAY > day - days]
    found = np.arange(narrowed.train_start[user], split.train_end[user])
    assert (found - histories.offsets[user]).tolist() == wanted


def test_training_days_without_an_interaction_are_refused():
  histories = random_histories.make([(0, 0, 0), (0, 1, 3 * _DAY)])
  with pytest.raises(InputError, match='leaves 0 interactions to train on'):
    splits.by_time(histories, last_train_day='1970-01-03', train_days=2)


@hypothesis.given(random_histories.rows())
def test_leave_one_out_equals_a_loop_over_users(rows):
  histories = random_histories.make(rows)
  split = splits.leave_one_out(histories)
  validation, test, train_end, trained, left = [], [], [], set(), set()
  for user in range(histories.num_users):
    start, stop = histories.offsets[user : user + 2].tolist()
    end = stop
    if stop - start >= 3:
      end = stop - 2
      validation.append((user, end))
      test.append((user, end + 1))
    train_end.append(end)
    trained |= set(histories.item_ids[start:end].tolist())
    left |= set(histories.item_ids[end:stop].tolist())
  assert split.train_end.tolist() == train_end
  for targets, wanted in ((split.validation, validation), (split.test, test)):
    assert (
        list(zip(targets.user.tolist(), targets.position.tolist(), strict=True))
        == wanted
    )
  assert set(np.flatnonzero(split.cold_start_items)) == left - trained


@hypothesis.given(_by_time())
def test_by_time_equals_a_loop_over_interactions(drawn):
  histories, split, (day, arguments) = drawn
  first_test = day + 1 + arguments['validation_days']
  days = histories.times // _DAY
  in_training, validation, test = [], [], []
  for position, user in enumerate(histories.users.tolist()):
    in_training.append(bool(days[position] <= day))
    if position - histories.offsets[user] < arguments['min_history']:
      continue
    if day < days[position] < first_test:
      validation.append((user, position))
    elif first_test <= days[position] < first_test + arguments['test_days']:
      test.append((user, position))
  assert split.train_mask(histories).tolist() == in_training
  for targets, wanted in ((split.validation, validation), (split.test, test)):
    assert (
        list(zip(targets.user.tolist(), targets.position.tolist(), strict=True))
        == wanted
    )
  seen = set(histories.item_ids[in_training].tolist())
  later = set(histories.item_ids.tolist()) - seen
  assert set(np.flatnonzero(split.cold_start_items)) == later


def test_by_time_tests_on_the_last_day_when_no_day_is_given():
  rows = [(0, 0, 0), (0, 1, _DAY), (0, 2, 2 * _DAY), (0, 3, 3 * _DAY)]
  split = splits.by_time(random_histories.make(rows), validation_days=1)
  assert split.train_end.tolist() == [2]
  assert split.validation.position.tolist() == [2]
  assert split.test.position.tolist() == [3]
  assert np.flatnonzero(split.cold_start_items).tolist() == [2, 3]


def test_by_time_takes_cold_start_from_the_first_seen_time():
  # Item 2 came before the border though nobody took it; item 3 after it.
  rows = [(0, 0, 0), (0, 2, 2 * _DAY), (0, 3, 2 * _DAY)]
  histories = random_histories.make(
      rows, first_seen=[None, None, 5, None, 3 * _DAY, None]
  )
  split = splits.by_time(histories, last_train_day='1970-01-02')
  assert np.flatnonzero(split.cold_start_items).tolist() == [3, 4]


def test_by_time_refuses_relative_times():
  histories = random_histories.make([(0, 0, 0), (0, 1, _DAY)], 'relative')
  with pytest.raises(InputError, match='relative to each user'):
    splits.by_time(histories)


@pytest.mark.parametrize(
    ('arguments', 'what'),
    [
        ({'last_train_day': '1970-01-09'}, '0 to test'),
        ({'last_train_day': '1969-12-30'}, '0 interactions to train on'),
        ({'last_train_day': 'Friday'}, 'day cannot be read'),
        ({'test_days': 0}, 'test_days is 0'),
        ({'validation_days': -1}, 'validation_days is -1'),
        ({'min_history': -1}, 'min_history is -1'),
    ],
)
def test_by_time_refuses_what_leaves_nothing(arguments, what):
  histories = random_histories.make([(0, 0, 0), (0, 1, _DAY)])
  with pytest.raises(InputError, match=what):
    splits.by_time(histories, **arguments)
