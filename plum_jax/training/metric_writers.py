# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics as JSON lines that survive a kill."""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
import os
import pathlib

from plum_jax.artifacts import atomic
from plum_jax.artifacts import errors
from plum_jax.artifacts.errors import InputError


class JsonLinesWriter:
  """Appends one JSON object a line: `step`, then the scalars by name.

  A resumed run first drops the lines after its checkpoint, so that the file
  becomes the one that an uninterrupted run writes. What differs from run to
  run, such as speed, does not belong in it.

  >>> import tempfile
  >>> path = pathlib.Path(tempfile.mkdtemp()) / 'metrics.jsonl'
  >>> writer = JsonLinesWriter(path)
  >>> writer.write_scalars(10, {'train/loss': 2.5})
  >>> writer.write_scalars(20, {'train/loss': float('nan')})
  >>> read(path)
  [{'step': 10, 'train/loss': 2.5}, {'step': 20, 'train/loss': None}]
  >>> writer = JsonLinesWriter(path, last_step=10)
  >>> read(path)
  [{'step': 10, 'train/loss': 2.5}]
  """

  def __init__(self, path: str | os.PathLike[str], last_step: int = 0):
    """Opens the file, and drops what a killed run wrote after `last_step`.

    Args:
      path: the file.
      last_step: the step that training goes on from; 0 empties the file.

    Raises:
      InputError: the file cannot be read or written.
    """
    self._path = pathlib.Path(path)
    kept = [
        line
        for line in _whole_lines(self._path)
        if json.loads(line)['step'] <= last_step
    ]
    try:
      with atomic.write_file(self._path) as temporary:
        temporary.write_text(''.join(kept), encoding='utf-8')
    except OSError as error:
      raise errors.from_os_error(error, self._path) from error

  def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
    """Appends a line.

    Args:
      step: the step.
      scalars: by name; one that is not finite becomes null.

    Raises:
      InputError: the disk is full.
    """
    values: dict[str, float | int | None] = {'step': int(step)}
    for name, value in scalars.items():
      number = float(value)
      values[name] = number if math.isfinite(number) else None
    try:
      # Opened anew each time: a line is then with the operating system when
      # this returns, and a kill cannot lose it.
      with self._path.open('a', encoding='utf-8') as file:
        file.write(json.dumps(values) + '\n')
    except OSError as error:
      raise errors.from_os_error(error, self._path) from error

  def flush(self) -> None:
    """Does nothing: each line is written at once."""


def read(path: str | os.PathLike[str]) -> list[dict[str, float | None]]:
  """Reads the lines that a writer has written.

  Args:
    path: the file.

  Returns:
    One dictionary a line; none if there is no file.

  Raises:
    InputError: a line is not a JSON object with a step.
  """
  return [json.loads(line) for line in _whole_lines(pathlib.Path(path))]


def _whole_lines(path: pathlib.Path) -> list[str]:
  """Returns the lines, but not a last one that a kill has cut off."""
  if not path.exists():
    return []
  lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
  if lines and not lines[-1].endswith('\n'):
    lines.pop()
  for number, line in enumerate(lines, 1):
    try:
      int(json.loads(line)['step'])
    except (ValueError, TypeError, KeyError) as error:
      raise InputError(
          f'A line of metrics cannot be read: {line.strip()[:60]}',
          where=f'{path}, line {number}',
          expected='a JSON object with a step',
          fix='Delete the line.',
      ) from error
  return lines
