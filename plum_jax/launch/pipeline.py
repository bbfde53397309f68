# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs several stages in order: `--stages=catalog,item_embeddings,...`."""

from __future__ import annotations

from collections.abc import Sequence
import importlib
import pathlib
import sys

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch.config import files
from plum_jax.launch.stage import Stage

_FLAG = '--stages='
_DESCRIPTION = """\
  Runs the stages that --stages=NAME,NAME,... names, in order, in one process.
  All are checked before the first starts; finished ones are skipped.
"""


def main(
    stages: Sequence[Stage],
    program: str,
    description: str,
    argv: Sequence[str] | None = None,
) -> None:
  """Runs a fixed list of stages as a program.

  Args:
    stages: the stages in order.
    program: the module that is run, such as `plum_jax.launch.quickstart`.
    description: for `--help`.
    argv: the arguments; the process's own by default.
  """
  application.run_stages(stages, program, description, argv)


def launchers() -> dict[str, Stage]:
  """Returns the stages that have a launcher in this folder, by name."""
  stages = {}
  for path in sorted(pathlib.Path(__file__).parent.glob('[a-z]*.py')):
    module = importlib.import_module(f'plum_jax.launch.{path.stem}')
    stage = getattr(module, 'STAGE', None)
    if isinstance(stage, Stage):
      stages[stage.name] = stage
  return stages


def named_stages(names: str) -> list[Stage]:
  """Finds stages by name.

  Args:
    names: with commas between them.

  Returns:
    The stages in that order.

  Raises:
    InputError: one has no launcher.
  """
  known = launchers()
  for name in names.split(','):
    if name not in known:
      raise InputError(
          f'There is no stage {name!r}.',
          where=f'{_FLAG}{names}',
          expected=files.close_names(name, known),
          fix='Correct the name; commas and no spaces between names.',
      )
  return [known[name] for name in names.split(',')]


def _run(argv: Sequence[str]) -> None:
  chosen = [argument for argument in argv if argument.startswith(_FLAG)]
  rest = [argument for argument in argv if not argument.startswith(_FLAG)]
  if not chosen and '--help' not in rest:
    raise InputError(
        'No stages are named.',
        where='command line',
        expected=f'{_FLAG}NAME,NAME,... of {", ".join(launchers())}',
        fix='Name the stages to run.',
    )
  stages = named_stages(chosen[-1].removeprefix(_FLAG)) if chosen else []
  main(stages, 'plum_jax.launch.pipeline', _DESCRIPTION, rest)


if __name__ == '__main__':
  sys.exit(application.exit_status(lambda: _run(sys.argv[1:])))
