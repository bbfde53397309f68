# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A scaling study: sizes times budgets, what they reached, and what follows.

PLUM (arXiv 2510.07784, section 5): training and evaluation loss follow power
laws of FLOPs, and the best size moves up with the budget. How it fits is not
stated; the method here is the second of Hoffmann et al. (arXiv 2203.15556,
section 3.2), a parabola over sizes for each budget, on three metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import statistics

from plum_jax.artifacts.errors import InputError
from plum_jax.scaling import power_law
from plum_jax.scaling.power_law import FittedLaw
from plum_jax.scaling.power_law import Interval
from plum_jax.scaling.power_law import Parabola

TRAINING_LOSS, EVALUATION_LOSS = 'training_loss', 'evaluation_loss'
MISS_RATE = 'miss_rate@10'
# All fall as things get better; nats a token, and 1 - Recall@10 on test.
METRICS = (TRAINING_LOSS, EVALUATION_LOSS, MISS_RATE)


@dataclasses.dataclass(frozen=True)
class Record:
  """What a run of a study amounts to.

  Attributes:
    size: the member of the family.
    budget: FLOPs that it was to be trained with.
    seed: its seed.
    flops: FLOPs that it was trained with, whole steps.
    steps: of training.
    tokens: positions of all training batches.
    parameters: activated, without tables.
    total_parameters: all.
    metrics: value by name of `METRICS`.
  """

  size: int
  budget: float
  seed: int
  flops: float
  steps: int
  tokens: int
  parameters: int
  total_parameters: int
  metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Point:
  """The runs of a size and a budget: their means over seeds.

  Attributes:
    size: see `Record`.
    budget: see `Record`.
    flops: see `Record`.
    parameters: see `Record`.
    metrics: see `Record`.
  """

  size: int
  budget: float
  flops: float
  parameters: int
  metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Optimum:
  """The best size of a budget.

  Attributes:
    budget: FLOPs.
    parameters: best number of parameters: the parabola's, or that of the best
      run if the parabola has no least value among the sizes.
    value: the parabola's least value, or the best run's.
    parabola: the curve, if it has a least value among the sizes.
    interval: of `parameters`, by bootstrap; None where it is not known.
  """

  budget: float
  parameters: float
  value: float
  parabola: Parabola | None
  interval: Interval | None = None


@dataclasses.dataclass(frozen=True)
class MetricFit:
  """What follows for one metric.

  Attributes:
    frontier: the law of the best run of each budget over its FLOPs; None for
      fewer than two budgets.
    optima: the best size of each budget.
    optimal_size: the law of the optima's parameters over budgets, of those
      with a parabola if there are two of them; else of the best runs. None for
      fewer than two budgets.
    from_parabolas: whether it is of parabolas.
  """

  frontier: FittedLaw | None
  optima: tuple[Optimum, ...]
  optimal_size: FittedLaw | None
  from_parabolas: bool


@dataclasses.dataclass(frozen=True)
class FitConfig:
  """How laws are fitted.

  Attributes:
    with_floor: whether frontiers have an irreducible term; it takes four
      budgets.
    num_draws: draws of the bootstrap.
    seed: of the draws.
  """

  with_floor: bool = False
  num_draws: int = 1000
  seed: int = 0


def points(records: Sequence[Record]) -> list[Point]:
  """Averages runs over seeds.

  Args:
    records: runs.

  Returns:
    A point for each size and budget, by budget, then by size.
  """
  groups: dict[tuple[float, int], list[Record]] = {}
  for one in records:
    groups.setdefault((one.budget, one.size), []).append(one)
  return [
      Point(
          size,
          budget,
          statistics.fmean(one.flops for one in runs),
          runs[0].parameters,
          {
              name: statistics.fmean(one.metrics[name] for one in runs)
              for name in METRICS
          },
      )
      for (budget, size), runs in sorted(groups.items())
  ]


def by_budget(found: Sequence[Point]) -> dict[float, list[Point]]:
  """Groups points by budget, in order."""
  groups: dict[float, list[Point]] = {}
  for one in found:
    groups.setdefault(one.budget, []).append(one)
  return groups


def fit_metric(
    found: Sequence[Point], metric: str, config: FitConfig
) -> MetricFit:
  """Fits frontier, parabolas and optimal sizes of a metric.

  Args:
    found: what `points` returned.
    metric: one of `METRICS`.
    config: how.

  Returns:
    The fits.

  Raises:
    InputError: a value is not positive, or a floor is asked for with too few
      budgets.
  """
  groups = by_budget(found)
  best = [
      min(group, key=lambda one: one.metrics[metric])
      for group in groups.values()
  ]
  frontier = None
  if len(groups) > 1:
    frontier = power_law.fit(
        [one.flops for one in best],
        [one.metrics[metric] for one in best],
        with_floor=config.with_floor,
        num_draws=config.num_draws,
        seed=config.seed,
    )
  optima, draws = _optima(groups, best, metric, config)
  parabolic = [i for i, one in enumerate(optima) if one.parabola]
  from_parabolas = len(parabolic) > 1
  used = parabolic if from_parabolas else range(len(optima))
  law = None
  if len(groups) > 1:
    budgets = [optima[i].budget for i in used]
    law = power_law.fit(budgets, [optima[i].parameters for i in used])
    # Of the parabolas' draws: those of their optima alone would know nothing
    # of how flat a parabola is.
    drawn = [
        power_law.fit_power_law(budgets, [draw[i] for i in used])
        for draw in draws
        if all(draw[i] for i in used)
    ]
    law = dataclasses.replace(law, draws=tuple(drawn if from_parabolas else ()))
  return MetricFit(frontier, tuple(optima), law, from_parabolas)


def _optima(
    groups: Mapping[float, list[Point]],
    best: Sequence[Point],
    metric: str,
    config: FitConfig,
) -> tuple[list[Optimum], list[list[float]]]:
  """Fits each budget's parabola.

  Returns:
    The optima; and for each draw the best parameters of each budget, 0 where
    its parabola has none.
  """
  optima, columns = [], []
  for number, (budget, group) in enumerate(groups.items()):
    sizes = [float(one.parameters) for one in group]
    values = [one.metrics[metric] for one in group]
    parabola = (
        power_law.fit_parabola(sizes, values) if len(set(sizes)) > 2 else None
    )
    if parabola is None:
      run = best[number]
      optima.append(Optimum(budget, run.parameters, run.metrics[metric], None))
      columns.append([0.0] * config.num_draws)
      continue
    drawn = power_law.residual_draws(
        [parabola(size) for size in sizes],
        values,
        3,
        config.num_draws,
        config.seed + 1 + number,
    )
    refitted = [power_law.fit_parabola(sizes, list(ys)) for ys in drawn]
    places = [one.best_x if one else 0.0 for one in refitted]
    known = [place for place in places if place]
    optima.append(
        Optimum(
            budget,
            parabola.best_x,
            parabola.best_y,
            parabola,
            power_law.interval(known) if known else None,
        )
    )
    # Where nothing is left to draw, the parabola itself stands for its draws.
    columns.append(places or [parabola.best_x] * config.num_draws)
  return optima, [list(row) for row in zip(*columns, strict=True)]


@dataclasses.dataclass(frozen=True)
class PredictedMetric:
  """A metric of a run that is yet to come, and what came.

  Attributes:
    value: the frontier's value at the run's FLOPs.
    interval: its interval; None where it is not known.
    measured: what the run reached; None before it has run.
  """

  value: float
  interval: Interval | None = None
  measured: float | None = None

  @property
  def relative_error(self) -> float | None:
    """(predicted - measured) / measured."""
    if self.measured is None:
      return None
    return (self.value - self.measured) / self.measured


@dataclasses.dataclass(frozen=True)
class Prediction:
  """The next budget: its best size, and what that will reach.

  Attributes:
    budget: FLOPs.
    best_parameters: what the law of optimal sizes says.
    size: the member of the family that comes nearest to it.
    parameters: those of this member.
    metrics: by name of `METRICS`.
  """

  budget: float
  best_parameters: float
  size: int
  parameters: int
  metrics: Mapping[str, PredictedMetric]

  def with_measured(self, records: Sequence[Record]) -> Prediction:
    """Returns the same beside what its runs, one a seed, have reached."""
    [point] = points(records)
    return dataclasses.replace(
        self,
        metrics={
            name: dataclasses.replace(one, measured=point.metrics[name])
            for name, one in self.metrics.items()
        },
    )


def predict(
    fits: Mapping[str, MetricFit],
    budget: float,
    members: Mapping[int, int],
) -> Prediction:
  """Says what the best run of a budget will be.

  The best size is that for the evaluation loss.

  Args:
    fits: by metric.
    budget: FLOPs.
    members: parameters of the family's members by size.

  Raises:
    InputError: there are too few budgets for a law.
  """
  law = fits[EVALUATION_LOSS].optimal_size
  if law is None:
    raise InputError(
        'Nothing can be predicted from one budget.',
        where='SCALING_BUDGETS',
        expected='at least two budgets',
        fix='Add a budget.',
    )
  wanted = law.law(budget)
  size = min(
      members,
      key=lambda one: max(members[one] / wanted, wanted / members[one]),
  )
  metrics = {}
  for name, found in fits.items():
    assert found.frontier is not None
    metrics[name] = PredictedMetric(
        found.frontier.law(budget),
        found.frontier.interval(lambda drawn: drawn(budget)),
    )
  return Prediction(budget, wanted, size, members[size], metrics)


def next_budget(budgets: Sequence[float]) -> float:
  """Returns the budget that goes on with the ratio of the last two.

  >>> next_budget([1e12, 2e12, 4e12])
  8000000000000.0
  """
  ordered = sorted(budgets)
  return ordered[-1] * ordered[-1] / ordered[-2]


def run_name(size: int, budget: float) -> str:
  """Names the folder of a size's and a budget's runs.

  >>> run_name(2, 1e12)
  'size_2-flops_1e+12'
  """
  return f'size_{size}-flops_{budget:.6g}'


def grid(
    sizes: Sequence[int], budgets: Sequence[float], seeds: Sequence[int]
) -> list[tuple[int, float, int]]:
  """Lists the runs of a study: size, budget and seed of each.

  >>> grid([1, 2], [1e12], [0])
  [(1, 1000000000000.0, 0), (2, 1000000000000.0, 0)]
  """
  return [
      (size, budget, seed)
      for seed in seeds
      for budget in sorted(budgets)
      for size in sizes
  ]
