# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rates of several sides, taken in turns, and the ratios between them.

A machine is seldom as quick in one minute as in the next. So every side is
measured in each of several rounds, and a ratio is made from the two rates of
the same round: what slows a round down slows both sides down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import datetime
import os
import platform
import statistics
import time


@dataclasses.dataclass(frozen=True)
class Work:
  """What was done in a while.

  Attributes:
    amount: how much, for example users served.
    seconds: how long it took.
    core_seconds: time of cores that it took, of all threads; what others do on
      the machine changes it far less than `seconds`.
  """

  amount: int
  seconds: float
  core_seconds: float


# Works for about so many seconds.
Run = Callable[[float], Work]


@dataclasses.dataclass(frozen=True)
class Rates:
  """Work per second, and per second of a core, round by round."""

  per_second: list[float] = dataclasses.field(default_factory=list)
  per_core_second: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Spread:
  """A median over rounds, and the smallest and largest value."""

  median: float
  low: float
  high: float

  def __str__(self) -> str:
    return f'{self.median:.4g} ({self.low:.4g} to {self.high:.4g})'


def spread(values: Sequence[float]) -> Spread:
  """Returns the median, smallest and largest of some values.

  >>> str(spread([4.0, 1.0, 2.0]))
  '2 (1 to 4)'
  """
  return Spread(statistics.median(values), min(values), max(values))


def ratios(rates: Sequence[float], others: Sequence[float]) -> Spread:
  """Returns the spread of the ratios, round by round.

  >>> str(ratios([30.0, 60.0], [10.0, 15.0]))
  '3.5 (3 to 4)'
  """
  return spread([a / b for a, b in zip(rates, others, strict=True)])


def repeat(call: Callable[[], int], seconds: float) -> Work:
  """Calls until so many seconds have passed, at least once.

  Args:
    call: does a piece of work and returns how much it was.
    seconds: how long to go on.

  Returns:
    The work of this process.
  """
  amount, start = 0, time.perf_counter()
  core_start = time.process_time()
  while True:
    amount += call()
    taken = time.perf_counter() - start
    if taken >= seconds:
      return Work(amount, taken, time.process_time() - core_start)


def alternate(
    sides: Mapping[str, Run], *, rounds: int, seconds: float
) -> dict[str, Rates]:
  """Measures all sides in turns: A B C, C B A, A B C ...

  Args:
    sides: what to measure, by name; warmed up.
    rounds: how many times.
    seconds: how long each side runs in a round.

  Returns:
    Rates by side.
  """
  rates = {name: Rates() for name in sides}
  for number in range(rounds):
    names = list(sides)
    for name in names if number % 2 == 0 else reversed(names):
      # The threads of the side before may spin a while before they sleep.
      time.sleep(0.25)
      work = sides[name](seconds)
      rates[name].per_second.append(work.amount / work.seconds)
      rates[name].per_core_second.append(work.amount / work.core_seconds)
  return rates


def pin_to_cores(num_cores: int) -> None:
  """Keeps this process and its children on the first cores it may use.

  Args:
    num_cores: how many.

  Raises:
    ValueError: there are fewer.
  """
  cores = sorted(os.sched_getaffinity(0))
  if len(cores) < num_cores:
    raise ValueError(f'{num_cores} cores asked for, {len(cores)} available.')
  os.sched_setaffinity(0, cores[:num_cores])


def circumstances() -> str:
  """Says when and on what a benchmark runs, and how busy the machine is."""
  model = platform.processor() or platform.machine()
  if os.path.exists('/proc/cpuinfo'):
    with open('/proc/cpuinfo', encoding='utf-8') as lines:
      for line in lines:
        if line.startswith('model name'):
          model = line.partition(':')[2].strip()
          break
  return (
      f'{datetime.date.today()}, {model}, '
      f'{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, load average '
      f'{os.getloadavg()[0]:.1f} at the start'
  )
