# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the runs of a study measured on the way: validation against steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import os
import pathlib

from plotly import graph_objects as go

from plum_jax.artifacts.errors import InputError
from plum_jax.reports import figures
from plum_jax.reports import page
from plum_jax.reports.study_results import StudyResults

_FILE = 'metrics.jsonl'
_PREFIX = 'validation/'

# (step, value) in order, by metric.
Curves = Mapping[str, Sequence[tuple[int, float]]]


def read(
    run_directory: str | os.PathLike[str], folders: Sequence[str]
) -> dict[str, list[tuple[int, float]]]:
  """Reads the validation metrics that a run's trainings recorded.

  Args:
    run_directory: the run.
    folders: those of the stages to look at.

  Returns:
    For each metric, such as `validation/retrieval/recall@10`, its steps and
    values.

  Raises:
    InputError: a file cannot be read.
  """
  found: dict[str, list[tuple[int, float]]] = {}
  for folder in folders:
    path = pathlib.Path(run_directory) / folder / _FILE
    if not path.exists():
      continue
    for number, line in enumerate(path.read_text('utf-8').splitlines(), 1):
      try:
        values = json.loads(line)
        step = int(values['step'])
      except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f'The metrics of a training cannot be read: {error!r}.',
            where=f'{path}, line {number}',
            expected='a JSON object with step',
            fix='Delete the folder and run its stage again.',
        ) from error
      for name, value in values.items():
        if name.startswith(_PREFIX):
          found.setdefault(name, []).append((step, float(value)))
  return found


def metrics(results: StudyResults) -> list[str]:
  """Returns the metrics that some run has a curve of, sorted."""
  return sorted({name for run in results.runs for name in run.curves})


def plot(results: StudyResults, metric: str) -> go.Figure:
  """Draws a metric against steps: lines of means, a dot for each seed.

  Args:
    results: of a study.
    metric: one of `metrics(results)`.

  Returns:
    The figure; experiments without the metric are left out.
  """
  traces = []
  for number, experiment in enumerate(results.experiments):
    points = [
        point
        for run in results.runs
        if run.experiment == experiment
        for point in run.curves.get(metric, ())
    ]
    if not points:
      continue
    colour = figures.colour(number)
    steps = sorted({step for step, _ in points})
    values = {step: [v for s, v in points if s == step] for step in steps}
    traces.append(
        go.Scatter(
            x=steps,
            y=[sum(values[step]) / len(values[step]) for step in steps],
            name=page.escape(experiment),
            mode='lines',
            line={'color': colour, 'width': 2},
            hovertemplate='%{y:.4f}',
        )
    )
    traces.append(
        go.Scatter(
            x=[step for step, _ in points],
            y=[value for _, value in points],
            mode='markers',
            showlegend=False,
            hoverinfo='skip',
            marker={'color': colour, 'size': 6, 'opacity': 0.5},
        )
    )
  figure = go.Figure(traces, figures.layout(showlegend=True, height=340))
  figure.update_xaxes(title='steps')
  return figure
