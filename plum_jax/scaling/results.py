# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The results of a scaling study as files, for programs.

* `scaling_study.json`: runs, fits with their intervals, and the prediction.
* `scaling_study.csv`: a row for each run.
"""

from __future__ import annotations

from collections.abc import Mapping
import csv
import dataclasses
import json
import os
import pathlib
from typing import Any

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.scaling import power_law
from plum_jax.scaling import study
from plum_jax.scaling.power_law import FittedLaw
from plum_jax.scaling.power_law import Interval
from plum_jax.scaling.study import MetricFit
from plum_jax.scaling.study import PredictedMetric
from plum_jax.scaling.study import Prediction
from plum_jax.scaling.study import Record

JSON_FILE, CSV_FILE = 'scaling_study.json', 'scaling_study.csv'
# In the study's folder, from before the predicted run starts.
PREDICTION_FILE = 'scaling_prediction.json'


@dataclasses.dataclass(frozen=True)
class ScalingResults:
  """A study.

  Attributes:
    records: its runs; that of the prediction is not among them.
    fits: by metric.
    prediction: of a further budget, with what was measured if that has run.
  """

  records: tuple[Record, ...]
  fits: Mapping[str, MetricFit]
  prediction: Prediction | None = None


def fit(
    records: tuple[Record, ...],
    config: study.FitConfig,
    prediction: Prediction | None = None,
) -> ScalingResults:
  """Fits all metrics of a study's runs."""
  found = study.points(records)
  fits = {name: study.fit_metric(found, name, config) for name in study.METRICS}
  return ScalingResults(records, fits, prediction)


def _interval(found: Interval | None) -> list[float] | None:
  return None if found is None else [found.low, found.high]


def _law(found: FittedLaw | None) -> dict[str, Any] | None:
  if found is None:
    return None
  return {
      'points': [list(point) for point in found.points],
      **{
          name: {
              'value': getattr(found.law, name),
              'interval': _interval(
                  found.interval(lambda law, n=name: getattr(law, n))
              ),
          }
          for name in ('coefficient', 'exponent', 'floor')
      },
  }


def _fit(found: MetricFit) -> dict[str, Any]:
  return {
      'frontier': _law(found.frontier),
      'optima': [
          {
              'budget': one.budget,
              'parameters': one.parameters,
              'interval': _interval(one.interval),
              'value': one.value,
              'from_parabola': one.parabola is not None,
          }
          for one in found.optima
      ],
      'optimal_size': _law(found.optimal_size),
      'from_parabolas': found.from_parabolas,
  }


def prediction_to_json(prediction: Prediction) -> dict[str, Any]:
  """Returns a prediction as JSON values; errors where it was measured."""
  values = dataclasses.asdict(prediction)
  for name, one in prediction.metrics.items():
    values['metrics'][name]['interval'] = _interval(one.interval)
    values['metrics'][name]['relative_error'] = one.relative_error
  return values


def save(results: ScalingResults, directory: str | os.PathLike[str]) -> None:
  """Writes `scaling_study.json` and `scaling_study.csv`.

  Args:
    results: of a study.
    directory: an existing folder.
  """
  directory = pathlib.Path(directory)
  values = {
      'interval_level': power_law.LEVEL,
      'runs': [dataclasses.asdict(one) for one in results.records],
      'fits': {name: _fit(found) for name, found in results.fits.items()},
      'prediction': None
      if results.prediction is None
      else prediction_to_json(results.prediction),
  }
  _write(directory / JSON_FILE, values)
  names = [
      field.name
      for field in dataclasses.fields(Record)
      if field.name != 'metrics'
  ]
  with (
      atomic.write_file(directory / CSV_FILE) as temporary,
      open(temporary, 'w', newline='', encoding='utf-8') as file,
  ):
    rows = csv.writer(file, lineterminator='\n')
    rows.writerow([*names, *study.METRICS])
    for one in results.records:
      row = [getattr(one, name) for name in names]
      rows.writerow(row + [one.metrics[name] for name in study.METRICS])


def save_prediction(
    prediction: Prediction, directory: str | os.PathLike[str]
) -> None:
  """Writes `scaling_prediction.json`, without what was measured."""
  _write(
      pathlib.Path(directory) / PREDICTION_FILE, prediction_to_json(prediction)
  )


def load_prediction(directory: str | os.PathLike[str]) -> Prediction | None:
  """Reads `scaling_prediction.json`; None if there is none.

  Args:
    directory: the study's folder.

  Raises:
    InputError: it cannot be read.
  """
  path = pathlib.Path(directory) / PREDICTION_FILE
  if not path.exists():
    return None
  try:
    values = json.loads(path.read_text(encoding='utf-8'))
    metrics = {
        name: PredictedMetric(
            one['value'],
            None if one['interval'] is None else Interval(*one['interval']),
        )
        for name, one in values.pop('metrics').items()
    }
    return Prediction(**values, metrics=metrics)
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
        f'The prediction cannot be read: {error!r}.',
        where=path,
        expected='what scaling_study --predict writes',
        fix='Delete the file and predict again.',
    ) from error


def _write(path: pathlib.Path, values: Any) -> None:
  with atomic.write_file(path) as temporary:
    text = json.dumps(values, indent=2, allow_nan=False)
    temporary.write_text(text + '\n', encoding='utf-8')
