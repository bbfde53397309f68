# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A study: several experiments, each with several seeds, from one command."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
import logging
import sys
import time

from plum_jax.artifacts import progress
from plum_jax.artifacts import reuse
from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import chatter
from plum_jax.launch import quickstart
from plum_jax.launch import study_plan
from plum_jax.launch.config import files
from plum_jax.launch.config import loading
from plum_jax.launch.stage import Stage
from plum_jax.launch.study_plan import PlannedRun
from plum_jax.launch.study_plan import Study

_LOGGER = logging.getLogger('plum_jax')


def main(
    argv: Sequence[str] | None = None,
    stages: Sequence[Stage] = quickstart.STAGES,
) -> None:
  """Runs a study as a program; see `application.exit_status` for how it ends.

  Args:
    argv: the arguments; the process's own by default.
    stages: what each run consists of unless `--stages` says otherwise.
  """
  arguments = sys.argv[1:] if argv is None else argv

  def work() -> None:
    chatter.set_up_logging()
    study = study_plan.parse(arguments, stages)
    # All of them, before the first starts.
    configs = [
        application.load_all(study.stages, run.arguments) for run in study.runs
    ]
    with application.claim(study.directory):
      _run(study, configs)

  sys.exit(application.exit_status(work))


def _run(study: Study, configs: Sequence[Sequence[loading.Config]]) -> None:
  """Runs what is not finished, and writes and prints the results."""
  # Plotly, and all that the reports read, is not needed to refuse a flag.
  from plum_jax.reports import study_curves
  from plum_jax.reports import study_page
  from plum_jax.reports import study_results

  runs = []
  for run in finish_runs(study, configs):
    figures = study_results.read_figures(run.directory, study.folders)
    if not runs:
      # A later experiment may define what the first does not.
      undefined = study_results.undefined_figures(run.directory, study.folders)
      _check_metrics(study, {*figures, *undefined})
    curves = study_curves.read(run.directory, study.folders)
    runs.append(study_results.Run(run.experiment, run.seed, figures, curves))
  results = study_results.StudyResults(
      study.experiments, study.seeds, study.metrics, tuple(runs)
  )
  study_results.save(results, study.directory)
  report = study_page.build(results, study.directory)
  print(f'\n{study_page.text_table(results)}\nReport: {report}')


def finish_runs(
    study: Study, configs: Sequence[Sequence[loading.Config]]
) -> Iterator[PlannedRun]:
  """Runs what is not finished; what runs share is made once.

  Args:
    study: the study, whose folder is claimed.
    configs: of each run, the configurations of its stages.

  Yields:
    Each run once it is finished.
  """
  timer = _Timer(study)
  for run, run_configs in zip(study.runs, configs, strict=True):
    timer.announce(run)
    others = [other.directory for other in study.runs if other is not run]
    with (
        application.claim(run.directory),
        reuse.from_runs([*others, *study.reused]),
    ):
      for stage, config in zip(study.stages, run_configs, strict=True):
        application.call(stage, config, run.directory)
    timer.finished(run)
    yield run


class _Timer:
  """Says which run begins, how long it took so far and how long it will."""

  def __init__(self, study: Study):
    """Starts the clock."""
    self._study = study
    self._begun = time.monotonic()
    self._durations: list[float] = []
    # Runs that only look whether all is there say nothing about the others.
    self._unfinished = [
        run
        for run in study.runs
        if not all(
            (run.directory / path).exists() for path in study.stages[-1].writes
        )
    ]

  def announce(self, run: PlannedRun) -> None:
    """Logs that a run begins."""
    self._run_begun = time.monotonic()
    runs = self._study.runs
    line = (
        f'study: run {runs.index(run) + 1} of {len(runs)}: {run.experiment}, '
        f'seed {run.seed}'
    )
    line += f'  so far {progress.format_seconds(self._run_begun - self._begun)}'
    if self._durations:
      mean = sum(self._durations) / len(self._durations)
      left = mean * len(self._unfinished)
      line += f'  left about {progress.format_seconds(left)}'
    _LOGGER.info(line)

  def finished(self, run: PlannedRun) -> None:
    """Notes how long a run took."""
    if run in self._unfinished:
      self._unfinished.remove(run)
      self._durations.append(time.monotonic() - self._run_begun)


def _check_metrics(study: Study, figures: Collection[str]) -> None:
  """Refuses a metric that the first run has not recorded."""
  for metric in study.metrics:
    if metric not in figures:
      raise InputError(
          f'The runs do not record {metric}.',
          where=f'--metrics, {study.runs[0].directory}',
          expected=files.close_names(metric, figures),
          fix='Correct the name, or name the stage that records it in '
          '--stages, and run the same command again: what is finished stays.',
      )


if __name__ == '__main__':
  main()
