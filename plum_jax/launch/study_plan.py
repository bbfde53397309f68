# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a study consists of, read from its command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import pathlib

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import command_line
from plum_jax.launch import pipeline
from plum_jax.launch import study_order
from plum_jax.launch.config import loading
from plum_jax.launch.config import statements
from plum_jax.launch.stage import Stage

PROGRAM = 'plum_jax.launch.study'
METRICS = 'semantic_ids/uniqueness,generative/retrieval/recall@10'
_DESCRIPTION = f"""\
  Runs several experiments, each with several seeds, in one process, and
  compares them. Finished stages are skipped, so the same command goes on with
  a killed study; stages that runs share are made once.

    --experiments=FILE,FILE,...  experiment files; the first is what the others
                                 are compared with; may come again
    --seeds=N,N,...              SEED of the runs of each experiment; 0,1,2
    --stages=NAME,NAME,...       what a run consists of; the quickstart's stages
    --metrics=NAME,NAME,...      figures to compare, of quality.json and
                                 metrics.json; {METRICS.split(',')[0]}
                                 and {METRICS.split(',')[1]}
    --reuse=RUN_DIR,...          other runs whose artifacts are taken over where
                                 they match
    --gin_file, --gin.NAME       as below, for all experiments after their files

  An experiment with INITIAL_CHECKPOINT_PATH = 'study:<experiment>' starts from
  what that one trained with the same seed, which runs before it.

  Runs lie in RUN_DIR/<experiment>/seed_<n>; RUN_DIR gets study.json, study.csv
  and study.html.
"""


@dataclasses.dataclass(frozen=True)
class PlannedRun:
  """One run of a study.

  Attributes:
    experiment: the experiment's name, that of its file.
    seed: its seed.
    directory: its run directory.
    arguments: the command line that a launcher of its own would get.
  """

  experiment: str
  seed: int
  directory: pathlib.Path
  arguments: loading.Arguments


@dataclasses.dataclass(frozen=True)
class Study:
  """What a study consists of.

  Attributes:
    directory: its folder.
    experiments: names, in order.
    seeds: in order.
    stages: of each run.
    metrics: what is compared.
    reused: further runs to take artifacts over from.
    runs: all experiments with the first seed, then with the second, and so on:
      the comparison takes shape early.
  """

  directory: pathlib.Path
  experiments: tuple[str, ...]
  seeds: tuple[int, ...]
  stages: tuple[Stage, ...]
  metrics: tuple[str, ...]
  reused: tuple[pathlib.Path, ...]
  runs: tuple[PlannedRun, ...]

  @property
  def folders(self) -> list[str]:
    """The folders of a run that its stages write."""
    return [
        path.removesuffix('/') for stage in self.stages for path in stage.writes
    ]


def parse(argv: Sequence[str], stages: Sequence[Stage]) -> Study:
  """Reads the command line of a study; `--help` prints and exits.

  Args:
    argv: the arguments.
    stages: what each run consists of unless `--stages` says otherwise.

  Returns:
    The study. Of the configuration, only what a study decides is checked.

  Raises:
    InputError: a list is empty or names something twice, a seed is no number,
      a file or a folder is missing, the study's folder is not clear.
  """
  parser = argparse.ArgumentParser(
      prog=f'python -m {PROGRAM}', add_help=False, allow_abbrev=False
  )
  parser.add_argument('--experiments', action='append', default=[])
  for name, default in (
      ('--seeds', '0,1,2'),
      ('--stages', ''),
      ('--metrics', METRICS),
      ('--reuse', ''),
  ):
    parser.add_argument(name, default=default)
  flags, rest = parser.parse_known_args(argv)
  if flags.stages:
    stages = pipeline.named_stages(flags.stages)
  arguments = command_line.parse(rest, PROGRAM, _DESCRIPTION, stages)
  _refuse_seed(arguments)
  listed = ','.join(flags.experiments)
  paths = _names('--experiments', listed, 'gin/experiments/sid_v1.gin')
  experiments = {path: pathlib.Path(path).stem for path in paths}
  _refuse_twice('--experiments', listed, tuple(experiments.values()))
  seeds = _seeds(flags.seeds)
  directory = _directory(experiments, arguments, stages[0])
  initial = study_order.initial_experiments(experiments, arguments, stages)
  return Study(
      directory=directory,
      experiments=tuple(experiments.values()),
      seeds=seeds,
      stages=tuple(stages),
      metrics=tuple(_names('--metrics', flags.metrics, METRICS)),
      reused=_reused(flags.reuse),
      runs=tuple(
          _planned(path, experiments[path], seed, directory, arguments, initial)
          for seed in seeds
          for path in study_order.in_order(experiments, initial)
      ),
  )


def _planned(
    path: str,
    name: str,
    seed: int,
    study_directory: pathlib.Path,
    arguments: loading.Arguments,
    initial: Mapping[str, str],
) -> PlannedRun:
  """Adds to the arguments what makes a run this one."""
  directory = study_directory / name / f'seed_{seed}'
  own = [f'RUN_DIR={str(directory)!r}', f'SEED={seed}']
  if name in initial:
    path_of_initial = study_directory / initial[name] / f'seed_{seed}'
    own.append(f'{study_order.INITIAL}={str(path_of_initial)!r}')
  return PlannedRun(
      name,
      seed,
      directory,
      dataclasses.replace(
          arguments,
          gin_files=[path, *arguments.gin_files],
          bindings=[*arguments.bindings, *own],
      ),
  )


def _directory(
    paths: Iterable[str], arguments: loading.Arguments, stage: Stage
) -> pathlib.Path:
  """Returns the study's folder, on which all experiments must agree."""
  found: dict[pathlib.Path, str] = {}
  for path in paths:
    sources = loading.read(
        stage.name,
        dataclasses.replace(arguments, gin_files=[path, *arguments.gin_files]),
    )
    found.setdefault(application.run_directory(sources), path)
  if len(found) > 1:
    raise InputError(
        'The experiments name different folders: '
        + ', '.join(f'{folder} in {path}' for folder, path in found.items()),
        where='RUN_DIR',
        expected='one folder for the study',
        fix='--gin.RUN_DIR=runs/my_study',
    )
  return next(iter(found))


def _names(flag: str, text: str, example: str) -> list[str]:
  """Splits a list at its commas."""
  names = text.split(',')
  if not all(names):
    raise InputError(
        'A name is missing.' if text else 'Nothing is named.',
        where=f'{flag}={text}',
        expected=f'{flag}={example}',
        fix='Write names with commas and no spaces between them.',
    )
  _refuse_twice(flag, text, names)
  return names


def _refuse_twice(flag: str, text: str, names: Sequence[str | int]) -> None:
  for name in names:
    if names.count(name) > 1:
      raise InputError(
          f'{name} comes twice.',
          where=f'{flag}={text}',
          expected='each name once; an experiment has the name of its file',
          fix='Remove one of the two, or rename one of the files.',
      )


def _seeds(text: str) -> tuple[int, ...]:
  names = _names('--seeds', text, '0,1,2')
  for name in names:
    if not (name.isascii() and name.isdigit()):
      raise InputError(
          f'{name!r} is no seed.',
          where=f'--seeds={text}',
          expected='whole numbers of at least 0, such as 0,1,2',
          fix='Correct the number.',
      )
  seeds = [int(name) for name in names]
  _refuse_twice('--seeds', text, seeds)
  return tuple(seeds)


def _refuse_seed(arguments: loading.Arguments) -> None:
  """Refuses `--gin.SEED`, which each run would override."""
  for argument in arguments.bindings:
    flag = statements.parse_command_line(argument, text_allowed=True)
    if flag.is_macro and flag.name == 'SEED':
      raise InputError(
          'A study gives each run its seed.',
          where=flag.where,
          expected='--seeds',
          fix='Write --seeds=0,1,2 in the place of it.',
      )


def _reused(text: str) -> tuple[pathlib.Path, ...]:
  paths = _names('--reuse', text, 'runs/quickstart') if text else []
  for path in paths:
    if not pathlib.Path(path).is_dir():
      raise InputError(
          'There is no such run.',
          where=f'--reuse={text}, {path}',
          expected='a run directory, such as runs/quickstart',
          fix='Correct the path.',
      )
  return tuple(map(pathlib.Path, paths))
