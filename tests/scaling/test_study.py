# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A made-up world whose laws are known: the study finds and predicts them."""

import math

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.scaling import study
from plum_jax.scaling.study import EVALUATION_LOSS
from plum_jax.scaling.study import Record

_SIZES = {size: 12_288 * size**3 for size in range(1, 8)}
_BUDGETS = [1e12, 4e12, 1.6e13]
_CONFIG = study.FitConfig(num_draws=50)


def _best(budget):
  """The truth: the best number of parameters goes with C ** 0.5."""
  return 1.2e5 * (budget / 1e12) ** 0.5


def _loss(budget, parameters):
  distance = math.log(parameters / _best(budget))
  return 4.0 * (budget / 1e12) ** -0.08 * math.exp(0.02 * distance**2)


def _record(size, budget, seed=0, factor=1.0):
  loss = factor * _loss(budget, _SIZES[size])
  metrics = dict(zip(study.METRICS, (loss, 1.1 * loss, loss / 5), strict=True))
  return Record(
      size, budget, seed, budget, 10, 1000, _SIZES[size], _SIZES[size], metrics
  )


@pytest.fixture(scope='module')
def fits():
  records = [_record(s, c) for c in _BUDGETS for s in _SIZES]
  found = study.points(records)
  return {
      name: study.fit_metric(found, name, _CONFIG) for name in study.METRICS
  }


def test_optimal_size_follows_its_law(fits):
  fit = fits[EVALUATION_LOSS]
  assert fit.from_parabolas
  for one in fit.optima:
    assert one.parameters == pytest.approx(_best(one.budget), rel=1e-6)
    assert one.value == pytest.approx(
        1.1 * _loss(one.budget, _best(one.budget)), rel=1e-6
    )
  law = fit.optimal_size.law
  assert law.exponent == pytest.approx(0.5, abs=1e-6)
  assert law(6.4e13) == pytest.approx(_best(6.4e13), rel=1e-5)


def test_frontier_follows_the_best_runs(fits):
  frontier = fits[EVALUATION_LOSS].frontier
  assert [x for x, _ in frontier.points] == _BUDGETS
  # Members lie beside the optimum, which bends the frontier a little.
  assert frontier.law.exponent == pytest.approx(-0.08, abs=0.003)


def test_next_budget_is_predicted_and_compared(fits):
  budget = study.next_budget(_BUDGETS)
  assert budget == pytest.approx(6.4e13)
  made = study.predict(fits, budget, _SIZES)
  # 960,000 parameters are best: 786,432 and 1,536,000 are there.
  assert made.best_parameters == pytest.approx(9.6e5, rel=1e-4)
  assert made.size == 4
  assert made.parameters == _SIZES[4]
  assert made.metrics[EVALUATION_LOSS].relative_error is None
  compared = made.with_measured([_record(4, budget)])
  for one in compared.metrics.values():
    assert abs(one.relative_error) < 0.01
  wrong = made.with_measured([_record(4, budget, factor=0.5)])
  assert wrong.metrics[EVALUATION_LOSS].relative_error == pytest.approx(
      1.0, abs=0.02
  )


def test_points_are_means_over_seeds_by_budget_and_size():
  records = [
      _record(2, 4e12, seed=0, factor=0.9),
      _record(2, 4e12, seed=1, factor=1.1),
      _record(3, 1e12),
  ]
  found = study.points(records)
  assert [(one.budget, one.size) for one in found] == [(1e12, 3), (4e12, 2)]
  assert found[1].metrics[EVALUATION_LOSS] == pytest.approx(
      1.1 * _loss(4e12, _SIZES[2])
  )


def test_best_runs_stand_where_two_sizes_make_no_parabola():
  records = [_record(s, c) for c in _BUDGETS[:2] for s in (2, 4)]
  fit = study.fit_metric(study.points(records), EVALUATION_LOSS, _CONFIG)
  assert not fit.from_parabolas
  assert [one.parameters for one in fit.optima] == [_SIZES[2], _SIZES[2]]
  assert fit.optimal_size.interval(lambda law: law.exponent) is None


def test_one_budget_predicts_nothing():
  found = study.points([_record(s, 1e12) for s in _SIZES])
  fits = {
      name: study.fit_metric(found, name, _CONFIG) for name in study.METRICS
  }
  assert fits[EVALUATION_LOSS].frontier is None
  with pytest.raises(InputError, match='one budget'):
    study.predict(fits, 4e12, _SIZES)
