# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The results of a study for people: plain text, and one HTML page."""

from __future__ import annotations

import os
import pathlib

from plotly import graph_objects as go

from plum_jax.artifacts import atomic
from plum_jax.reports import figures
from plum_jax.reports import page
from plum_jax.reports import results_table
from plum_jax.reports import study_curves
from plum_jax.reports.study_results import Spread
from plum_jax.reports.study_results import StudyResults

FILE_NAME = 'study.html'
_ROW_HEIGHT = 34
_FRAME_HEIGHT = 70
_INDENT = '\N{EM SPACE}'  # HTML drops plain blanks at the start of a cell.


def format_number(value: float | None, *, signed: bool = False) -> str:
  """Writes a figure, or a dash where there is none.

  >>> format_number(0.12345), format_number(0.01, signed=True)
  ('0.1235', '+0.0100')
  >>> format_number(12101), format_number(None)
  ('12,101', '–')
  """
  if value is None:
    return '–'
  sign = '+' if signed else ''
  return f'{value:{sign},.4f}' if abs(value) < 1_000 else f'{value:{sign},.0f}'


def _mean(found: Spread) -> str:
  """Mean and standard deviation."""
  return (
      f'{format_number(found.mean)} '
      f'± {format_number(found.standard_deviation)}'
  )


def _difference(found: Spread) -> str:
  """Mean difference and its standard error."""
  return (
      f'{format_number(found.mean, signed=True)} '
      f'± {format_number(found.standard_error)}'
  )


def _rows(results: StudyResults) -> list[list[str]]:
  """Returns rows of experiments, of their differences and of baselines."""
  first = results.experiments[0]
  rows = []
  for experiment in results.experiments:
    rows.append(
        [experiment]
        + [_mean(results.of(experiment, name)) for name in results.metrics]
    )
    if experiment != first:
      rows.append(
          [f'{_INDENT}less {first}']
          + [
              _difference(results.difference(experiment, name))
              for name in results.metrics
          ]
      )
  for baseline in results.baselines:
    rows.append(
        [results_table.label(baseline)]
        + [_mean(results.of_baseline(baseline, x)) for x in results.metrics]
    )
  return rows


def note(results: StudyResults) -> str:
  """Says what the numbers of the table are."""
  seeds = ', '.join(map(str, results.seeds))
  text = f'Mean ± standard deviation over seeds {seeds}.'
  if len(results.experiments) > 1:
    text += (
        f' Differences from {results.experiments[0]} are taken seed by seed: '
        'mean ± standard error.'
    )
  if results.baselines:
    text += f' Baselines are those of the runs of {results.experiments[0]}.'
  return text


def text_table(results: StudyResults) -> str:
  """Writes a study as a table for a terminal.

  Args:
    results: of a study.

  Returns:
    Lines of equal columns, and a line on what they hold.
  """
  cells = [['', *results.metrics], *_rows(results)]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [
      '  '.join(
          cell.rjust(width) if number else cell.ljust(width)
          for number, (cell, width) in enumerate(zip(row, widths, strict=True))
      )
      for row in cells
  ]
  lines.insert(1, '-' * (sum(widths) + 2 * len(widths) - 2))
  return '\n'.join([*lines, '', note(results)])


def dot_plot(results: StudyResults, metric: str) -> go.Figure:
  """Draws a metric: a dot for each seed, a line at each experiment's mean.

  Args:
    results: of a study.
    metric: one of its metrics.

  Returns:
    The figure; the first experiment is at the top.
  """
  traces = []
  for number, seed in enumerate(results.seeds):
    values = [results.of(name, metric).values for name in results.experiments]
    traces.append(
        go.Scatter(
            x=[of_seeds[number] for of_seeds in values],
            y=list(map(page.escape, results.experiments)),
            name=f'seed {seed}',
            mode='markers',
            marker={
                'size': 9,
                'opacity': 0.8,
                'color': figures.colour(number),
            },
            hovertemplate='%{x:.4f}',
        )
    )
  traces.append(
      go.Scatter(
          x=[results.of(name, metric).mean for name in results.experiments],
          y=list(map(page.escape, results.experiments)),
          name='mean',
          mode='markers',
          marker={
              'symbol': 'line-ns',
              'size': 20,
              'line': {'width': 2.5, 'color': figures.GREY},
          },
          hovertemplate='%{x:.4f}',
      )
  )
  height = _FRAME_HEIGHT + _ROW_HEIGHT * len(results.experiments)
  figure = go.Figure(
      traces,
      figures.layout(showlegend=True, height=height, hovermode='closest'),
  )
  figure.update_yaxes(autorange='reversed', type='category')
  return figure


def build(
    results: StudyResults, directory: str | os.PathLike[str]
) -> pathlib.Path:
  """Writes `study.html`.

  Args:
    results: of a study.
    directory: its folder.

  Returns:
    The file's path.
  """
  path = pathlib.Path(directory) / FILE_NAME
  with atomic.write_file(path) as temporary:
    name = pathlib.Path(directory).resolve().name
    temporary.write_text(render(results, name), encoding='utf-8')
  return path


def _curves(results: StudyResults) -> list[page.Section]:
  """Returns the section of what was measured on the way, if anything was."""
  plots = [
      page.card(
          page.figure(f'curve-{n}', study_curves.plot(results, metric)), metric
      )
      for n, metric in enumerate(study_curves.metrics(results))
  ]
  if not plots:
    return []
  note = 'Measured while training: a line through the means of the seeds.'
  return [page.Section('Curves', ''.join(plots), note)]


def render(results: StudyResults, name: str) -> str:
  """Returns the page's HTML.

  Args:
    results: of a study.
    name: the study's name.
  """
  plots = ''.join(
      page.card(page.figure(f'metric-{n}', dot_plot(results, metric)), metric)
      for n, metric in enumerate(results.metrics)
  )
  by_run = [
      [run.experiment, str(run.seed)]
      + [format_number(run.figures.get(metric)) for metric in results.metrics]
      for run in results.runs
  ]
  sections = [
      page.Section(
          'Experiments',
          page.card(page.table(['', *results.metrics], _rows(results))),
          note(results),
      ),
      page.Section(
          'Seeds',
          f'<div class="charts">{plots}</div>',
          'A dot for each seed, a line at the mean.',
      ),
      *_curves(results),
      page.Section(
          'Runs',
          page.card(
              page.table(['experiment', 'seed', *results.metrics], by_run)
          ),
          'study.json has all figures of each run.',
      ),
  ]
  return page.page(f'PLUM-JAX · {name}', '', sections)
