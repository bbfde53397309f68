# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the runs of a study recorded: by experiment, over seeds.

* `study.json`: every run with every figure, and for the metrics that were asked
  for values, mean and spread by experiment, and what an experiment differs from
  the first one by. Nothing in it depends on the time that runs took.
* `study.csv`: a row for each run, a column for each of these metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import dataclasses
import json
import math
import os
import pathlib
import statistics
from typing import Any

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError

JSON_FILE, CSV_FILE = 'study.json', 'study.csv'
# The files of stages that hold flat names and numbers.
_FIGURES = ('quality.json', 'metrics.json')


@dataclasses.dataclass(frozen=True)
class Run:
  """One run of a study.

  Attributes:
    experiment: the experiment's name.
    seed: its seed.
    figures: every number that it recorded, by its flat name.
    curves: steps and values of what its training measured on the way, by
      metric; see `study_curves.read`.
  """

  experiment: str
  seed: int
  figures: Mapping[str, float]
  curves: Mapping[str, Sequence[tuple[int, float]]] = dataclasses.field(
      default_factory=dict
  )


@dataclasses.dataclass(frozen=True)
class Spread:
  """A figure over seeds.

  Attributes:
    values: one for each seed; None where a run did not record it.
    mean: of the values that there are; None if there are none.
    standard_deviation: of the sample (n - 1); None for fewer than two values.
    standard_error: of the mean; None for fewer than two values.
  """

  values: tuple[float | None, ...]
  mean: float | None
  standard_deviation: float | None
  standard_error: float | None


def spread(values: Sequence[float | None]) -> Spread:
  """Summarizes a figure over seeds.

  Args:
    values: one for each seed, None where there is none.

  Returns:
    Mean, sample standard deviation and standard error of the mean.

  >>> found = spread([1.0, 2.0, None, 3.0])
  >>> found.mean, found.standard_deviation, round(found.standard_error, 3)
  (2.0, 1.0, 0.577)
  """
  known = [float(value) for value in values if value is not None]
  deviation = statistics.stdev(known) if len(known) > 1 else None
  return Spread(
      tuple(values),
      statistics.fmean(known) if known else None,
      deviation,
      None if deviation is None else deviation / math.sqrt(len(known)),
  )


@dataclasses.dataclass(frozen=True)
class StudyResults:
  """The runs of a study, and what was asked of them.

  Attributes:
    experiments: names; the others are compared with the first.
    seeds: each experiment was run with all of them.
    metrics: names of figures.
    runs: of all experiments and seeds.
  """

  experiments: tuple[str, ...]
  seeds: tuple[int, ...]
  metrics: tuple[str, ...]
  runs: tuple[Run, ...]

  def of(self, experiment: str, metric: str) -> Spread:
    """Returns a metric of an experiment, by seed."""
    return spread(self._values(experiment, metric))

  def difference(self, experiment: str, metric: str) -> Spread:
    """Returns what an experiment adds to the first one, seed by seed.

    Runs of one seed share what does not depend on the experiment, so their
    difference varies less than either of them.
    """
    pairs = zip(
        self._values(experiment, metric),
        self._values(self.experiments[0], metric),
        strict=True,
    )
    return spread([None if a is None or b is None else a - b for a, b in pairs])

  @property
  def baselines(self) -> tuple[str, ...]:
    """Other models of which the first experiment's runs have such metrics.

    None unless all metrics of the form `<model>/<task>/<metric>` are one
    model's.
    """
    asked = [_model_and_metric(name) for name in self.metrics]
    models = {model for model, _ in asked if model}
    if len(models) != 1:
      return ()
    wanted = {metric for model, metric in asked if model}
    found = {
        model: None
        for run in self.runs
        if run.experiment == self.experiments[0]
        for model, metric in map(_model_and_metric, run.figures)
        if metric in wanted and model not in models
    }
    return tuple(sorted(found))

  def of_baseline(self, baseline: str, metric: str) -> Spread:
    """Returns what a baseline has in the place of a metric, by seed.

    Args:
      baseline: one of `baselines`.
      metric: one of `metrics`, of another model.

    Returns:
      The figure of the first experiment's runs; none where the metric is of no
      model.
    """
    model, name = _model_and_metric(metric)
    own = f'{baseline}/{name}' if model else ''
    return self.of(self.experiments[0], own)

  def _values(self, experiment: str, metric: str) -> list[float | None]:
    figures = {
        run.seed: run.figures
        for run in self.runs
        if run.experiment == experiment
    }
    return [figures[seed].get(metric) for seed in self.seeds]


def _model_and_metric(name: str) -> tuple[str, str]:
  """Takes a name apart; no model where it names none.

  >>> _model_and_metric('sasrec/ranking/hr@10')
  ('sasrec', 'ranking/hr@10')
  >>> _model_and_metric('semantic_ids/uniqueness')
  ('', 'semantic_ids/uniqueness')
  """
  model, _, metric = name.partition('/')
  return (model, metric) if '/' in metric else ('', name)


def read_figures(
    run_directory: str | os.PathLike[str], folders: Sequence[str]
) -> dict[str, float]:
  """Reads every number that a run's stages recorded under a flat name.

  Args:
    run_directory: the run.
    folders: those of the stages to look at, such as `evaluation`. What lies in
      others may be of another configuration.

  Returns:
    The numbers of `quality.json` and `metrics.json`, sorted by name. What is
    null, a text or a list is left out.

  Raises:
    InputError: a file cannot be read.
  """
  found = {
      key: value
      for key, value in _read(run_directory, folders).items()
      if isinstance(value, int | float) and not isinstance(value, bool)
  }
  return dict(sorted(found.items()))


def undefined_figures(
    run_directory: str | os.PathLike[str], folders: Sequence[str]
) -> set[str]:
  """Names what a run's stages recorded as not defined: null.

  Args:
    run_directory: the run.
    folders: those of the stages to look at.

  Returns:
    Names, such as `generative/rating/rmse` where a run has no ratings.

  Raises:
    InputError: a file cannot be read.
  """
  read = _read(run_directory, folders)
  return {key for key, value in read.items() if value is None}


def _read(
    run_directory: str | os.PathLike[str], folders: Sequence[str]
) -> dict[str, Any]:
  """Reads the flat names of all files of figures."""
  found: dict[str, Any] = {}
  for folder in folders:
    for name in _FIGURES:
      path = pathlib.Path(run_directory) / folder / name
      if path.exists():
        found |= _read_json(path)
  return found


def _read_json(path: pathlib.Path) -> Mapping[str, Any]:
  try:
    value = json.loads(path.read_text(encoding='utf-8'))
  except (OSError, ValueError) as error:
    raise _unreadable(path, str(error)) from error
  if not isinstance(value, dict):
    raise _unreadable(path, f'it holds a {type(value).__name__}')
  return value


def _unreadable(path: pathlib.Path, why: str) -> InputError:
  return InputError(
      f'The figures cannot be read: {why}',
      where=path,
      expected='the JSON object that a finished stage writes',
      fix='Delete the folder and run its stage again.',
  )


def to_json(results: StudyResults) -> dict[str, Any]:
  """Returns the values of `study.json`."""
  first, *others = results.experiments
  return {
      'experiments': list(results.experiments),
      'seeds': list(results.seeds),
      'metrics': list(results.metrics),
      'summary': {
          experiment: {
              metric: dataclasses.asdict(results.of(experiment, metric))
              for metric in results.metrics
          }
          for experiment in results.experiments
      },
      'baselines': {
          baseline: {
              metric: dataclasses.asdict(results.of_baseline(baseline, metric))
              for metric in results.metrics
          }
          for baseline in results.baselines
      },
      'compared_with': first,
      'differences': {
          experiment: {
              metric: dataclasses.asdict(results.difference(experiment, metric))
              for metric in results.metrics
          }
          for experiment in others
      },
      'runs': [dataclasses.asdict(run) for run in results.runs],
  }


def save(results: StudyResults, directory: str | os.PathLike[str]) -> None:
  """Writes `study.json` and `study.csv`.

  Args:
    results: of a study.
    directory: its folder.
  """
  directory = pathlib.Path(directory)
  with atomic.write_file(directory / JSON_FILE) as temporary:
    text = json.dumps(to_json(results), indent=2, allow_nan=False)
    temporary.write_text(text + '\n', encoding='utf-8')
  with (
      atomic.write_file(directory / CSV_FILE) as temporary,
      open(temporary, 'w', newline='', encoding='utf-8') as file,
  ):
    rows = csv.writer(file, lineterminator='\n')
    rows.writerow(['experiment', 'seed', *results.metrics])
    for run in results.runs:
      values = [run.figures.get(metric) for metric in results.metrics]
      rows.writerow([run.experiment, run.seed, *values])
