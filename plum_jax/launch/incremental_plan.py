# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What training day by day consists of, read from its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import dataclasses
import datetime
import pathlib
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import assign_semantic_ids
from plum_jax.launch import catalog
from plum_jax.launch import command_line
from plum_jax.launch import evaluate
from plum_jax.launch import item_embeddings
from plum_jax.launch import semantic_ids
from plum_jax.launch import tasks
from plum_jax.launch import train
from plum_jax.launch import vocabulary
from plum_jax.launch.config import loading
from plum_jax.launch.stage import Stage

PROGRAM = 'plum_jax.launch.incremental'
METRICS = 'generative/retrieval/recall@10,popularity/retrieval/recall@10'
FROZEN = 'frozen'
_LATER = '--later.'
_DESCRIPTION = f"""\
  Trains day by day: on all days up to the first, then on each day alone, from
  the checkpoint of the day before; and evaluates on the day after. Items that
  a day brings get Semantic IDs from the tokenizer of the first day, all others
  keep theirs. Finished stages are skipped, so the same command goes on with a
  killed one.

    --first_day=YYYY-MM-DD   day 0 trains on all interactions up to this day
    --days=N                 days that follow it, each trained on alone
    --day_length=N           calendar days that count as one day; 1
    --later.NAME=VALUE       as --gin.NAME, for the days after day 0 alone
    --metrics=NAME,NAME,...  figures of metrics.json for table and plot;
                             {METRICS.split(',')[0]}
                             and {METRICS.split(',')[1]}
    --gin_file, --gin.NAME   as below

  SOURCE must be @up_to_day.UpToDay() of plum_jax.catalog.sources, and the task
  retrieval. Days are runs in RUN_DIR/day_<n>; in each, day_<n>/{FROZEN} has
  what the generator of day 0 reaches. RUN_DIR gets incremental.json, .csv and
  .html.
"""
_FIRST = (
    catalog.STAGE,
    item_embeddings.STAGE,
    semantic_ids.STAGE,
    vocabulary.STAGE,
    tasks.STAGE,
    train.STAGE,
    evaluate.STAGE,
)
_LATER_STAGES = tuple(
    assign_semantic_ids.STAGE if stage is semantic_ids.STAGE else stage
    for stage in _FIRST
)
_OWN = ('last_train_day', 'train_days', 'test_days')


@dataclasses.dataclass(frozen=True)
class PlannedDay:
  """One day.

  Attributes:
    number: from 0.
    directory: its run directory.
    train_day: the last day that is trained on, YYYY-MM-DD.
    evaluation_day: the last day that is evaluated on.
    stages: in order.
    arguments: the command line that a launcher of its own would get.
    frozen: the command line to evaluate the generator of day 0 with.
  """

  number: int
  directory: pathlib.Path
  train_day: str
  evaluation_day: str
  stages: tuple[Stage, ...]
  arguments: loading.Arguments
  frozen: loading.Arguments

  @property
  def frozen_directory(self) -> pathlib.Path:
    """The run directory with the generator of day 0."""
    return self.directory / FROZEN


@dataclasses.dataclass(frozen=True)
class Plan:
  """All days.

  Attributes:
    directory: their folder.
    days: in order.
    metrics: what is tabulated.
  """

  directory: pathlib.Path
  days: tuple[PlannedDay, ...]
  metrics: tuple[str, ...]


def parse(argv: Sequence[str]) -> Plan:
  """Reads the command line; `--help` prints and exits.

  Args:
    argv: the arguments.

  Returns:
    The plan. Of the configuration, only what it decides is checked.

  Raises:
    InputError: a flag is missing or is no number or date; a day would be
      configured twice.
  """
  parser = argparse.ArgumentParser(
      prog=f'python -m {PROGRAM}', add_help=False, allow_abbrev=False
  )
  for name, default in (
      ('--first_day', ''),
      ('--days', ''),
      ('--day_length', '1'),
      ('--metrics', METRICS),
  ):
    parser.add_argument(name, default=default)
  flags, rest = parser.parse_known_args(argv)
  later = [x.removeprefix(_LATER) for x in rest if x.startswith(_LATER)]
  rest = [x for x in rest if not x.startswith(_LATER)]
  arguments = command_line.parse(rest, PROGRAM, _DESCRIPTION, _LATER_STAGES)
  _check_later(later)
  first_day = _date(flags.first_day)
  num_days = _count('--days', flags.days)
  length = _count('--day_length', flags.day_length)
  directory = application.run_directory(
      loading.read(catalog.STAGE.name, arguments)
  )
  options = _split_options(arguments)
  return Plan(
      directory,
      tuple(
          _planned(n, first_day, length, directory, arguments, later, options)
          for n in range(num_days + 1)
      ),
      tuple(flags.metrics.split(',')),
  )


def _planned(
    number: int,
    first_day: datetime.date,
    length: int,
    directory: pathlib.Path,
    arguments: loading.Arguments,
    later: Sequence[str],
    options: dict[str, Any],
) -> PlannedDay:
  """Adds to the arguments what makes a run that of a day."""
  run = directory / f'day_{number}'
  step = datetime.timedelta(days=length)
  train_day = first_day + number * step
  evaluation_day = train_day + step
  options |= {'last_train_day': train_day.isoformat(), 'test_days': length}
  own = [
      f'RUN_DIR={str(run)!r}',
      f'up_to_day.UpToDay.last_day={evaluation_day.isoformat()!r}',
      "SPLIT='by_time'",
  ]
  if number:
    before = directory / f'day_{number - 1}'
    options |= {'train_days': length}
    own += [
        f'PREVIOUS_SEMANTIC_IDS={str(before / "semantic_ids")!r}',
        f'INITIAL_CHECKPOINT_PATH={str(before / "training")!r}',
        # All rows are kept: another vocabulary would be an error.
        "INITIAL_SID_ROWS='keep'",
        *later,
    ]
  own.append(f'SPLIT_OPTIONS={options!r}')
  frozen = [f'RUN_DIR={str(run / FROZEN)!r}', "RECOMMENDERS=('generative',)"]
  return PlannedDay(
      number,
      run,
      train_day.isoformat(),
      evaluation_day.isoformat(),
      _LATER_STAGES if number else _FIRST,
      _with(arguments, own),
      _with(arguments, frozen),
  )


def _with(
    arguments: loading.Arguments, bindings: Sequence[str]
) -> loading.Arguments:
  return dataclasses.replace(
      arguments, bindings=[*arguments.bindings, *bindings]
  )


def _split_options(arguments: loading.Arguments) -> dict[str, Any]:
  """Returns the options of the split that days leave as they are."""
  options = dict(
      loading.read(tasks.STAGE.name, arguments).macro('SPLIT_OPTIONS')
  )
  for name in _OWN:
    if name in options:
      raise InputError(
          f'{name} is that of each day.',
          where=f'SPLIT_OPTIONS={options}',
          expected='no ' + ', '.join(_OWN),
          fix='Leave it out; --first_day, --days and --day_length say it.',
      )
  return options


def _check_later(bindings: Sequence[str]) -> None:
  for binding in bindings:
    if '=' not in binding:
      raise InputError(
          'The flag has no value.',
          where=f'{_LATER}{binding}',
          expected=f'{_LATER}NAME=VALUE',
          fix='Write an equals sign and the value, without spaces.',
      )


def _date(text: str) -> datetime.date:
  try:
    return datetime.date.fromisoformat(text)
  except ValueError as error:
    raise InputError(
        'There is no first day.' if not text else f'{text!r} is no day.',
        where=f'--first_day={text}',
        expected='a date as YYYY-MM-DD, within the interactions',
        fix='--first_day=1997-11-11',
    ) from error


def _count(flag: str, text: str) -> int:
  if text.isascii() and text.isdigit() and int(text) > 0:
    return int(text)
  raise InputError(
      f'{text!r} is no number of days.' if text else 'A number is missing.',
      where=f'{flag}={text}',
      expected='a whole number of at least 1',
      fix=f'{flag}=5',
  )
