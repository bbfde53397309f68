# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
import numpy as np

from tests.catalog import random_histories


@hypothesis.given(random_histories.rows())
def test_make_histories_equals_a_loop_over_users(rows):
  made = random_histories.make(rows)
  users = list(dict.fromkeys(user for user, _, _ in rows))
  assert made.user_ids.tolist() == [f'u{user}' for user in users]
  assert made.num_users == len(users)
  for number, user in enumerate(users):
    # Python's sort is stable: equal times stay in the order of the source.
    wanted = sorted(
        [
            (time, item, row)
            for row, (of_user, item, time) in enumerate(rows)
            if of_user == user
        ],
        key=lambda entry: entry[0],
    )
    run = slice(made.offsets[number], made.offsets[number + 1])
    assert made.times[run].tolist() == [time for time, _, _ in wanted]
    assert made.item_ids[run].tolist() == [item for _, item, _ in wanted]
    assert made.rewards[run].tolist() == [row for _, _, row in wanted]
    assert (made.users[run] == number).all()
  assert np.isnan(made.ratings).all()
  assert (made.item_ids.dtype, made.offsets.dtype, made.times.dtype) == (
      np.int32,
      np.int64,
      np.int64,
  )


def test_make_histories_sorts_times_too_large_for_one_key():
  rows = [(0, 0, 2**62), (1, 1, 5), (0, 2, 2**62 - 1), (1, 3, 5), (2, 4, 0)]
  made = random_histories.make(rows)
  assert made.item_ids.tolist() == [2, 0, 1, 3, 4]
  assert made.times.tolist() == [2**62 - 1, 2**62, 5, 5, 0]


def test_make_histories_takes_the_first_interaction_as_first_seen():
  rows = [(0, 2, 50), (1, 2, 40), (0, 3, 7)]
  given = [None, 9, None, 3, None, None]
  assert random_histories.make(rows, first_seen=given).first_seen.tolist() == [
      -1,
      9,
      40,
      3,
      -1,
      -1,
  ]
  relative = random_histories.make(rows, 'relative', first_seen=given)
  assert relative.first_seen.tolist() == [-1, 9, -1, 3, -1, -1]
