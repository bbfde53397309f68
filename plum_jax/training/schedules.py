# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Learning rates as functions of the number of finished steps."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import optax

from plum_jax.artifacts.errors import InputError


@dataclasses.dataclass(frozen=True)
class Constant:
  """One learning rate, reached linearly.

  Attributes:
    learning_rate: the rate after the warm-up.
    warmup_steps: steps of linear growth from 0; 0 means none.
  """

  learning_rate: float = 1e-3
  warmup_steps: int = 0


@dataclasses.dataclass(frozen=True)
class InverseSquareRoot:
  """T5's schedule: flat, then falling with the square root of the step.

  T5 (arXiv 1910.10683, section 3.1.2) uses `1 / sqrt(max(step, 10_000))`,
  which is `learning_rate=0.01, hold_steps=10_000`; so does TIGER (arXiv
  2305.05065, section 4).

  Attributes:
    learning_rate: the highest rate.
    hold_steps: the step from which the rate falls.
    warmup_steps: steps of linear growth from 0; 0 means none.
  """

  learning_rate: float = 0.01
  hold_steps: int = 10_000
  warmup_steps: int = 0


@dataclasses.dataclass(frozen=True)
class Cosine:
  """Half a cosine wave down (arXiv 1608.03983), after a linear warm-up.

  Attributes:
    learning_rate: the highest rate.
    num_steps: the step at which the fall ends, warm-up included.
    warmup_steps: steps of linear growth from 0; 0 means none.
    final_fraction: the last rate as a fraction of the highest.
  """

  learning_rate: float = 1e-3
  num_steps: int = 10_000
  warmup_steps: int = 0
  final_fraction: float = 0.0


ScheduleConfig = Constant | InverseSquareRoot | Cosine


def make_schedule(config: ScheduleConfig) -> optax.Schedule:
  """Makes a schedule.

  Args:
    config: which one.

  Returns:
    A function from the number of finished steps to the learning rate.

  Raises:
    InputError: a number makes no sense.

  >>> schedule = make_schedule(InverseSquareRoot(1.0, hold_steps=4))
  >>> [float(schedule(step)) for step in (0, 4, 16)]
  [1.0, 1.0, 0.5]
  """
  _check(config)
  if isinstance(config, Constant):
    after = optax.constant_schedule(config.learning_rate)
  elif isinstance(config, Cosine):
    after = optax.cosine_decay_schedule(
        config.learning_rate,
        config.num_steps - config.warmup_steps,
        config.final_fraction,
    )
  else:
    after = _inverse_square_root(config)
  if not config.warmup_steps:
    return after
  warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
  if isinstance(config, Cosine):
    # Its fall is counted from the end of the warm-up.
    return optax.join_schedules([warmup, after], [config.warmup_steps])
  peak = config.learning_rate
  return lambda step: warmup(step) * after(step) / peak


def _inverse_square_root(config: InverseSquareRoot) -> optax.Schedule:
  hold = float(config.hold_steps)

  def schedule(step):
    return config.learning_rate * jnp.sqrt(hold / jnp.maximum(step, hold))

  return schedule


def _check(config: ScheduleConfig) -> None:
  problems = []
  if config.learning_rate <= 0:
    problems.append(f'learning_rate={config.learning_rate}')
  if config.warmup_steps < 0:
    problems.append(f'warmup_steps={config.warmup_steps}')
  if isinstance(config, InverseSquareRoot) and config.hold_steps < 1:
    problems.append(f'hold_steps={config.hold_steps}')
  if isinstance(config, Cosine) and config.num_steps <= config.warmup_steps:
    problems.append(f'num_steps={config.num_steps}')
  if problems:
    raise InputError(
        f'The learning rate schedule has no meaning: {", ".join(problems)}.',
        where=type(config).__name__,
        expected='a positive learning_rate, warmup_steps of at least 0, '
        'hold_steps of at least 1, num_steps beyond the warm-up',
        fix='Correct the numbers.',
    )
