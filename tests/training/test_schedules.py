# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.training import schedules


def _values(config, steps):
  schedule = schedules.make_schedule(config)
  return [float(schedule(step)) for step in steps]


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        (schedules.Constant(0.5), {0: 0.5, 1000: 0.5}),
        (schedules.Constant(0.5, 10), {0: 0.0, 5: 0.25, 10: 0.5, 99: 0.5}),
        # T5 and TIGER: 1 / sqrt(max(step, 10,000)).
        (
            schedules.InverseSquareRoot(),
            {0: 0.01, 10_000: 0.01, 40_000: 0.005, 1_000_000: 0.001},
        ),
        (
            schedules.InverseSquareRoot(1.0, hold_steps=4, warmup_steps=8),
            {0: 0.0, 2: 0.25, 4: 0.5, 8: math.sqrt(0.5), 16: 0.5},
        ),
        (
            schedules.Cosine(1.0, 30, warmup_steps=10, final_fraction=0.1),
            {0: 0.0, 5: 0.5, 10: 1.0, 20: 0.55, 30: 0.1, 40: 0.1},
        ),
        (schedules.Cosine(2.0, 10), {0: 2.0, 5: 1.0, 10: 0.0}),
    ],
)
def test_make_schedule_gives_the_values_by_hand(config, expected):
  assert _values(config, expected) == pytest.approx(list(expected.values()))


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (schedules.Constant(0.0), 'learning_rate=0.0'),
        (schedules.Constant(1.0, -1), 'warmup_steps=-1'),
        (schedules.InverseSquareRoot(hold_steps=0), 'hold_steps=0'),
        (schedules.Cosine(1.0, 10, warmup_steps=10), 'num_steps=10'),
    ],
)
def test_make_schedule_refuses_numbers_without_meaning(config, message):
  with pytest.raises(InputError, match=message):
    schedules.make_schedule(config)
