# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains day by day, each from the checkpoint of the day before."""

from __future__ import annotations

from collections.abc import Sequence
import logging
import os
import pathlib
import shutil
import sys
import time

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.artifacts import progress
from plum_jax.artifacts import reuse
from plum_jax.launch import application
from plum_jax.launch import chatter
from plum_jax.launch import evaluate
from plum_jax.launch import incremental_plan
from plum_jax.launch import vocabulary
from plum_jax.launch.config import loading
from plum_jax.launch.incremental_plan import Plan
from plum_jax.launch.incremental_plan import PlannedDay

_LOGGER = logging.getLogger('plum_jax')
_VOCABULARY = 'vocabulary'
# What evaluating another generator on a day reads of the day.
_OF_THE_DAY = ('catalog', 'semantic_ids', 'tasks', _VOCABULARY)


def main(argv: Sequence[str] | None = None) -> None:
  """Runs all days as a program; see `application.exit_status` for its end.

  Args:
    argv: the arguments; the process's own by default.
  """
  arguments = sys.argv[1:] if argv is None else argv

  def work() -> None:
    chatter.set_up_logging()
    plan = incremental_plan.parse(arguments)
    # All of them, before the first starts.
    configs = [
        application.load_all(day.stages, day.arguments) for day in plan.days
    ]
    with application.claim(plan.directory):
      _run(plan, configs)

  sys.exit(application.exit_status(work))


def _run(plan: Plan, configs: Sequence[Sequence[loading.Config]]) -> None:
  """Runs what is not finished, and writes and prints the results."""
  # Plotly, and all that the reports read, is not needed to refuse a flag.
  from plum_jax.reports import incremental_page
  from plum_jax.reports import incremental_results

  begun = time.monotonic()
  results = []
  for day, day_configs in zip(plan.days, configs, strict=True):
    _LOGGER.info(
        'incremental: day %d of %d, training up to %s, evaluation up to %s  '
        'so far %s',
        day.number,
        plan.days[-1].number,
        day.train_day,
        day.evaluation_day,
        progress.format_seconds(time.monotonic() - begun),
    )
    before = plan.days[day.number - 1] if day.number else None
    earlier = [other.directory for other in plan.days[: day.number]]
    with application.claim(day.directory), reuse.from_runs(earlier):
      for stage, config in zip(day.stages, day_configs, strict=True):
        if before and stage is vocabulary.STAGE:
          _hand_over(before.directory / _VOCABULARY, day.directory)
        else:
          application.call(stage, config, day.directory)
    if before:
      _evaluate_frozen(day, plan.days[0])
    results.append(
        incremental_results.read(
            day.number,
            day.train_day,
            day.evaluation_day,
            day.directory,
            before.directory if before else None,
            day.frozen_directory if before else None,
        )
    )
    incremental_results.check_metrics(plan.metrics, results[0])
    # Early, and after every day: it is what one watches.
    incremental_results.save(results, plan.metrics, plan.directory)
  report = incremental_page.build(results, plan.metrics, plan.directory)
  table = incremental_page.text_table(results, plan.metrics)
  print(f'\n{table}\nReport: {report}')


def _hand_over(source: pathlib.Path, run: pathlib.Path) -> None:
  """Gives a day the vocabulary of the day before: SID tokens and text stay."""
  target = run / source.name
  wanted = manifest.content_hash(source)
  if target.exists() and manifest.content_hash(target) == wanted:
    return
  with atomic.write_directory(target) as temporary:
    shutil.copytree(source, temporary, dirs_exist_ok=True)
  _LOGGER.info('vocabulary: that of %s', source)


def _evaluate_frozen(day: PlannedDay, first: PlannedDay) -> None:
  """Evaluates the generator of day 0 on what a day is evaluated on.

  It knows the SIDs of later items too: they are made of the same codes.
  """
  folder = day.frozen_directory
  folder.mkdir(exist_ok=True)
  sources = {name: day.directory / name for name in _OF_THE_DAY}
  sources['training'] = first.directory / 'training'
  for name, source in sources.items():
    if not (folder / name).exists():
      target = os.path.relpath(source.resolve(), folder.resolve())
      (folder / name).symlink_to(target, target_is_directory=True)
  stage = evaluate.STAGE
  config = loading.load(stage.name, stage.function, day.frozen)
  with application.claim(folder):
    application.call(stage, config, folder)


if __name__ == '__main__':
  main()
