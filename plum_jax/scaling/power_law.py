# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Power laws and iso-FLOP parabolas, with intervals by bootstrap.

Everything is fitted in logarithms, where a constant relative error is a
constant one. Intervals come from the residual bootstrap: a law is fitted again
to its own values with residuals drawn anew, which are first made larger for the
parameters that the fit has used up. They know of the scatter around the law
alone, not of a law that does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import math
from typing import Protocol

import numpy as np
from scipy import optimize

from plum_jax.artifacts.errors import InputError

LEVEL = 0.9  # Of all intervals.


class Curve(Protocol):
  """A fitted curve over positive numbers, with positive values."""

  def __call__(self, x: float) -> float:
    """Returns its value."""
    ...


@dataclasses.dataclass(frozen=True)
class PowerLaw:
  """`floor + coefficient * x ** exponent`.

  Attributes:
    coefficient: positive.
    exponent: negative for what falls.
    floor: what no budget removes; 0 without it.
  """

  coefficient: float
  exponent: float
  floor: float = 0.0

  def __call__(self, x: float) -> float:
    """Returns the law's value.

    >>> PowerLaw(2.0, -0.5, 1.0)(4.0)
    2.0
    """
    return self.floor + self.coefficient * x**self.exponent


@dataclasses.dataclass(frozen=True)
class Parabola:
  """`curvature * (log x - log best_x) ** 2 + log best_y`, of log y.

  Attributes:
    curvature: positive where there is a least value.
    best_x: where it is.
    best_y: what it is.
  """

  curvature: float
  best_x: float
  best_y: float

  def __call__(self, x: float) -> float:
    """Returns the curve's value."""
    distance = math.log(x / self.best_x)
    return self.best_y * math.exp(self.curvature * distance**2)


def fit_power_law(
    x: Sequence[float], y: Sequence[float], *, with_floor: bool = False
) -> PowerLaw:
  """Fits a power law by least squares of log y.

  Args:
    x: positive numbers, such as FLOPs.
    y: positive numbers, such as losses.
    with_floor: whether an irreducible term is fitted, too.

  Returns:
    The law.

  Raises:
    InputError: there are too few points, or one is not positive.
  """
  _check(x, y, 4 if with_floor else 2, 'power law')
  middle = float(np.mean(np.log(x)))
  centred, logs = np.log(x) - middle, np.log(y)
  slope, level = np.polyfit(centred, logs, 1)
  if not with_floor:
    return PowerLaw(math.exp(level - slope * middle), float(slope))
  least = float(np.min(y))

  def values(parameters):
    slope, level, share = parameters
    # The floor lies between 0 and the least value, whatever the share.
    floor = least / (1 + np.exp(-share))
    return np.log(floor + np.exp(level + slope * centred))

  found = []
  for share in (0.1, 0.5, 0.9):
    floor = share * least
    start = np.polyfit(centred, np.log(np.asarray(y) - 0.99 * floor), 1)
    fitted = optimize.least_squares(
        lambda parameters: values(parameters) - logs,
        [*start, math.log(share / (1 - share))],
        x_scale='jac',
    )
    found.append(fitted)
  best = min(found, key=lambda fitted: fitted.cost)
  slope, level, share = map(float, best.x)
  return PowerLaw(
      math.exp(level - slope * middle),
      slope,
      float(least / (1 + np.exp(-share))),
  )


def fit_parabola(x: Sequence[float], y: Sequence[float]) -> Parabola | None:
  """Fits a parabola to log y over log x (Hoffmann, arXiv 2203.15556, 3.2).

  Args:
    x: positive numbers, such as parameters.
    y: positive numbers, such as losses of one budget.

  Returns:
    The curve; None if it has no least value within the range of x, where it
    would say nothing of what is best.

  Raises:
    InputError: there are fewer than three points, or one is not positive.
  """
  _check(x, y, 3, 'parabola')
  logs = np.log(x)
  middle = float(logs.mean())
  a, b, c = np.polyfit(logs - middle, np.log(y), 2)
  if a <= 0:
    return None
  best = -b / (2 * a)
  if not logs.min() <= best + middle <= logs.max():
    return None
  return Parabola(
      float(a), math.exp(best + middle), math.exp(c - b * b / (4 * a))
  )


@dataclasses.dataclass(frozen=True)
class Interval:
  """Where a number lies in `LEVEL` of the draws.

  Attributes:
    low: the lower end.
    high: the upper end.
  """

  low: float
  high: float


@dataclasses.dataclass(frozen=True)
class FittedLaw:
  """A power law and its draws.

  Attributes:
    law: fitted to the points themselves.
    points: (x, y) that it was fitted to.
    draws: laws of the bootstrap; empty where the fit leaves no residuals.
  """

  law: PowerLaw
  points: tuple[tuple[float, float], ...]
  draws: tuple[PowerLaw, ...] = ()

  def interval(self, value: Callable[[PowerLaw], float]) -> Interval | None:
    """Returns the interval of whatever is read off a law; None if unknown."""
    if not self.draws:
      return None
    return interval([value(draw) for draw in self.draws])


def interval(values: Sequence[float]) -> Interval:
  """Returns the middle `LEVEL` of some draws.

  >>> found = interval(range(101))
  >>> round(found.low, 6), round(found.high, 6)
  (5.0, 95.0)
  """
  low, high = np.quantile(
      np.asarray(values, np.float64), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
  )
  return Interval(float(low), float(high))


def residual_draws(
    fitted: Sequence[float],
    y: Sequence[float],
    num_parameters: int,
    num_draws: int,
    seed: int,
) -> np.ndarray:
  """Draws values around fitted ones.

  Args:
    fitted: values of the curve.
    y: what it was fitted to.
    num_parameters: of the curve.
    num_draws: how many.
    seed: of the draws.

  Returns:
    float64 [num_draws, n]; no draws where no residuals are left.
  """
  free = len(y) - num_parameters
  if free < 1:
    return np.zeros((0, len(y)))
  residuals = np.log(y) - np.log(fitted)
  residuals = (residuals - residuals.mean()) * math.sqrt(len(y) / free)
  drawn = np.random.default_rng(seed).choice(residuals, (num_draws, len(y)))
  return np.exp(np.log(fitted) + drawn)


def fit(
    x: Sequence[float],
    y: Sequence[float],
    *,
    with_floor: bool = False,
    num_draws: int = 1000,
    seed: int = 0,
) -> FittedLaw:
  """Fits a power law with its bootstrap.

  Args:
    x: see `fit_power_law`.
    y: see `fit_power_law`.
    with_floor: see `fit_power_law`.
    num_draws: draws of the bootstrap.
    seed: of the draws.

  Raises:
    InputError: see `fit_power_law`.
  """
  law = fit_power_law(x, y, with_floor=with_floor)
  drawn = residual_draws(
      [law(one) for one in x], y, 3 if with_floor else 2, num_draws, seed
  )
  return FittedLaw(
      law,
      tuple(zip(map(float, x), map(float, y), strict=True)),
      tuple(fit_power_law(x, list(ys), with_floor=with_floor) for ys in drawn),
  )


def _check(
    x: Sequence[float], y: Sequence[float], least: int, what: str
) -> None:
  if len(set(x)) < least or len(x) != len(y):
    raise InputError(
        f'There are {len(set(x))} points for a {what}.',
        where=f'x={list(x)}',
        expected=f'at least {least} different ones, each with a value',
        fix='Run more sizes or budgets.',
    )
  if not all(math.isfinite(one) and one > 0 for one in (*x, *y)):
    raise InputError(
        f'A {what} is fitted in logarithms, and a number is not positive.',
        where=f'x={list(x)}, y={list(y)}',
        expected='finite numbers above 0',
        fix='Look at the run that it comes from.',
    )
