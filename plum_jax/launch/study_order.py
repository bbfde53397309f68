# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which experiments of a study start from what others have trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import graphlib

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import files
from plum_jax.launch.config import loading
from plum_jax.launch.stage import Stage

INITIAL = 'INITIAL_CHECKPOINT_PATH'
PREFIX = 'study:'
_TRAIN = 'train'


def initial_experiments(
    experiments: Mapping[str, str],
    arguments: loading.Arguments,
    stages: Sequence[Stage],
) -> dict[str, str]:
  """Reads which experiment each one starts from.

  Args:
    experiments: name by path, of all that the study has.
    arguments: what holds for all of them.
    stages: what a run consists of.

  Returns:
    By name, the name of the other; experiments that start from nothing, or from
    a checkpoint of their own, are left out.

  Raises:
    InputError: an experiment names one that the study does not have.
  """
  found: dict[str, str] = {}
  if _TRAIN not in {stage.name for stage in stages}:
    return found
  for path, name in experiments.items():
    files_of_it = [path, *arguments.gin_files]
    value = loading.read(
        _TRAIN, dataclasses.replace(arguments, gin_files=files_of_it)
    ).macro(INITIAL)
    if not isinstance(value, str) or not value.startswith(PREFIX):
      continue
    other = value.removeprefix(PREFIX)
    if other not in experiments.values():
      raise InputError(
          f'The study has no experiment {other!r}.',
          where=f'{INITIAL} in {path}',
          expected=files.close_names(other, experiments.values()),
          fix='Add it to --experiments, or correct the name.',
      )
    found[name] = other
  return found


def in_order(
    experiments: Mapping[str, str], initial: Mapping[str, str]
) -> list[str]:
  """Returns the paths of all experiments, each after what it starts from.

  Args:
    experiments: name by path.
    initial: what `initial_experiments` returned.

  Raises:
    InputError: experiments start from each other.

  >>> in_order({'a.gin': 'a', 'b.gin': 'b', 'c.gin': 'c'}, {'a': 'c'})
  ['c.gin', 'b.gin', 'a.gin']
  """
  names = list(experiments.values())
  before = {
      name: {initial[name]} & set(names) if name in initial else set()
      for name in names
  }
  try:
    order = list(graphlib.TopologicalSorter(before).static_order())
  except graphlib.CycleError as error:
    raise InputError(
        'Experiments start from each other: ' + ', '.join(error.args[1]) + '.',
        where=INITIAL,
        expected='one that starts from none of them',
        fix='Correct the experiments.',
    ) from error
  paths = {name: path for path, name in experiments.items()}
  return [paths[name] for name in order]
