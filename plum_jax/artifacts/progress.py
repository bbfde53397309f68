# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Progress of long work, one line at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import logging
import time

_LOGGER = logging.getLogger('plum_jax')


def format_seconds(seconds: float) -> str:
  """Writes a duration as `h:mm:ss` or `m:ss`.

  >>> format_seconds(75), format_seconds(3_675)
  ('1:15', '1:01:15')
  """
  minutes, seconds = divmod(int(round(seconds)), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02d}:{seconds:02d}'
  return f'{minutes}:{seconds:02d}'


class Progress:
  """Logs position, rate, time left and a few figures of a long loop.

  A line appears at most every `interval` seconds, and one at the end, so that
  a log file stays readable.

  Attributes:
    due: whether the next `update` will log; ask before computing figures that
      cost something, such as a loss that is still on the device.
  """

  def __init__(
      self,
      name: str,
      total: int,
      unit: str,
      *,
      start: int = 0,
      interval: float = 5.0,
      clock: Callable[[], float] = time.monotonic,
  ):
    """Starts the clock.

    Args:
      name: the stage, the first word of each line.
      total: the position at which the work is done.
      unit: what is counted, in the plural: `steps`, `items`, `users`.
      start: the position that a resumed run starts from; excluded from rates.
      interval: seconds between lines.
      clock: seconds since some fixed moment.
    """
    self._name, self._total, self._unit = name, total, unit
    self._start, self._interval, self._clock = start, interval, clock
    self._begun = self._last = clock()

  @property
  def due(self) -> bool:
    """Whether the next `update` will log."""
    return self._clock() - self._last >= self._interval

  def update(
      self, position: int, figures: Mapping[str, float] | None = None
  ) -> None:
    """Logs a line if one is due, or if `position` is the end."""
    if not self.due and position < self._total:
      return
    now = self._clock()
    self._last = now
    elapsed = max(now - self._begun, 1e-9)
    rate = (position - self._start) / elapsed
    left = (self._total - position) / rate if rate > 0 else float('inf')
    line = (
        f'{self._name}: {position:,}/{self._total:,} {self._unit}'
        f'  {rate:,.1f} {self._unit}/s'
    )
    if position >= self._total:
      line += f'  took {format_seconds(elapsed)}'
    elif left != float('inf'):
      line += f'  left {format_seconds(left)}'
    for key, value in (figures or {}).items():
      line += f'  {key} {float(value):.4g}'
    _LOGGER.info(line)
