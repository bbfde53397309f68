# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Two stages that launchers are tested with: text, and a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import os
import pathlib
import time

from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError


@dataclasses.dataclass(frozen=True)
class Style:
  """How greetings are written."""

  mark: str = '!'
  widths: tuple[int, ...] = (1,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Framed(Style):
  """A style that does not come without its frame."""

  frame: str


def write(
    run_dir: str,
    word: str,
    times: int,
    style: Style,
    lengths: Mapping[str, int],
    rate: float = 0.5,
    seed: int | None = None,
) -> None:
  """Writes `greeting/greeting.txt`."""
  if word == 'forbidden':
    raise InputError('bad word', where='word', expected='good', fix='choose')
  if word == 'full':
    raise OSError(28, 'No space left on device', run_dir)
  if word == 'tensorstore':
    raise ValueError('Error writing: [OS error 28: No space left on device]')
  if word == 'bug':
    raise KeyError('a bug')
  if word == 'interrupt':
    raise KeyboardInterrupt
  if word == 'slow':
    (pathlib.Path(run_dir) / 'begun').touch()
    time.sleep(60)

  def build(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    text = (word + style.mark) * times
    (directory / 'greeting.txt').write_text(text, encoding='utf-8')

  stage.run(
      'greeting',
      os.path.join(run_dir, 'greeting'),
      build,
      inputs={},
      parameters={'word': word, 'times': times, **lengths, 'rate': rate},
      seed=seed,
  )


def copy(run_dir: str, capitals: bool) -> None:
  """Writes `copy/copy.txt`."""
  source = pathlib.Path(run_dir) / 'greeting'

  def build(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    text = (source / 'greeting.txt').read_text(encoding='utf-8')
    text = text.upper() if capitals else text
    (directory / 'copy.txt').write_text(text, encoding='utf-8')

  stage.run(
      'copy',
      os.path.join(run_dir, 'copy'),
      build,
      inputs={'greeting': source},
      parameters={'capitals': capitals},
  )
