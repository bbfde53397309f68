# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Taking turns, and what is made of the rates."""

import pytest

from benchmarks import alternation
from benchmarks.alternation import Work


def test_alternate_goes_there_and_back_and_keeps_rates_by_round():
  calls = []

  def side(name, amounts):
    amounts = iter(amounts)

    def run(seconds):
      calls.append((name, seconds))
      return Work(next(amounts), 2.0, 4.0)

    return run

  rates = alternation.alternate(
      {'a': side('a', [10, 20, 30]), 'b': side('b', [2, 5, 6])},
      rounds=3,
      seconds=0.5,
  )
  assert [name for name, _ in calls] == ['a', 'b', 'b', 'a', 'a', 'b']
  assert {seconds for _, seconds in calls} == {0.5}
  assert rates['a'].per_second == [5.0, 10.0, 15.0]
  assert rates['b'].per_core_second == [0.5, 1.25, 1.5]
  ratio = alternation.ratios(rates['a'].per_second, rates['b'].per_second)
  assert (ratio.low, ratio.median, ratio.high) == (4.0, 5.0, 5.0)


def test_repeat_goes_on_until_the_time_is_over_but_calls_once():
  work = alternation.repeat(lambda: 3, 0.0)
  assert work.amount == 3
  assert work.seconds > 0


def test_pin_to_cores_refuses_more_than_there_are():
  with pytest.raises(ValueError, match='available'):
    alternation.pin_to_cores(100_000)
