# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Known exponents, floors and minima are found again, and covered."""

import math

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.scaling import power_law
from plum_jax.scaling.power_law import Parabola
from plum_jax.scaling.power_law import PowerLaw

_BUDGETS = [1e12 * 2**i for i in range(7)]


@pytest.mark.parametrize('exponent', [-0.3, -0.05, 0.5])
def test_known_exponent_is_found(exponent):
  law = PowerLaw(3.0, exponent)
  found = power_law.fit_power_law(_BUDGETS, [law(x) for x in _BUDGETS])
  assert found.exponent == pytest.approx(exponent, abs=1e-9)
  assert found.coefficient == pytest.approx(3.0, rel=1e-6)
  assert found.floor == 0


def test_known_floor_is_found():
  law = PowerLaw(2e3, -0.25, 1.5)
  found = power_law.fit_power_law(
      _BUDGETS, [law(x) for x in _BUDGETS], with_floor=True
  )
  assert found.floor == pytest.approx(1.5, rel=1e-3)
  assert found.exponent == pytest.approx(-0.25, rel=1e-3)
  assert found(1e16) == pytest.approx(law(1e16), rel=1e-4)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
  law = PowerLaw(50.0, -0.1)
  covered = 0
  for trial in range(100):
    noise = np.random.default_rng(trial).normal(0, 0.02, len(_BUDGETS))
    values = [
        law(x) * math.exp(e) for x, e in zip(_BUDGETS, noise, strict=True)
    ]
    fitted = power_law.fit(_BUDGETS, values, num_draws=100, seed=trial)
    found = fitted.interval(lambda one: one.exponent)
    assert found is not None
    covered += found.low <= law.exponent <= found.high
  # 90, less what five degrees of freedom cost a bootstrap.
  assert 75 <= covered <= 98


def test_draws_depend_on_the_seed_alone():
  values = [4.0, 3.5, 3.3, 2.9, 2.8, 2.5, 2.4]
  one = power_law.fit(_BUDGETS, values, num_draws=10, seed=3)
  assert one == power_law.fit(_BUDGETS, values, num_draws=10, seed=3)
  assert one != power_law.fit(_BUDGETS, values, num_draws=10, seed=4)


def test_two_points_leave_no_interval():
  fitted = power_law.fit([1e12, 1e13], [3.0, 2.0])
  assert fitted.interval(lambda one: one.exponent) is None
  assert fitted.law(1e14) == pytest.approx(4 / 3)


def test_minimum_of_a_parabola_is_found():
  curve = Parabola(0.03, 4e5, 2.5)
  sizes = [1e5, 2e5, 5e5, 2e6]
  found = power_law.fit_parabola(sizes, [curve(x) for x in sizes])
  assert found is not None
  assert found.best_x == pytest.approx(4e5)
  assert found.best_y == pytest.approx(2.5)
  assert found.curvature == pytest.approx(0.03)


@pytest.mark.parametrize(
    'values', [[3.0, 2.5, 2.2], [2.0, 2.5, 2.0], [2.0, 2.2, 2.6]]
)
def test_parabola_without_a_minimum_among_the_sizes_is_none(values):
  assert power_law.fit_parabola([1e5, 2e5, 4e5], values) is None


@pytest.mark.parametrize(
    ('x', 'y', 'what'),
    [
        ([1.0], [1.0], '1 points'),
        ([1.0, 1.0], [1.0, 2.0], '1 points'),
        ([1.0, 2.0], [1.0, 0.0], 'not positive'),
        ([1.0, 2.0], [1.0, float('nan')], 'not positive'),
    ],
)
def test_points_that_carry_no_law_are_refused(x, y, what):
  with pytest.raises(InputError, match=what):
    power_law.fit_power_law(x, y)
