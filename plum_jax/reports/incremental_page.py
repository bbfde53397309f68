# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training day by day, for people: plain text, and one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
import os
import pathlib

from plotly import graph_objects as go

from plum_jax.artifacts import atomic
from plum_jax.reports import figures
from plum_jax.reports import incremental_results
from plum_jax.reports import page
from plum_jax.reports import study_page
from plum_jax.reports.incremental_results import DayResult

FILE_NAME = 'incremental.html'
_NOTE = (
    'Each day is trained from the checkpoint of the day before, on its own '
    'interactions alone, and evaluated on the day after; frozen is the '
    'generator of day 0.'
)


def _cells(
    results: Sequence[DayResult], metrics: Sequence[str]
) -> list[list[str]]:
  """Returns the header, then a row for each day."""
  names = incremental_results.columns(results, metrics)
  header = ['trained to', 'evaluated to', 'items', 'new', *names]
  return [header] + [
      [
          result.train_day,
          result.evaluation_day,
          f'{result.num_items:,}',
          f'{result.num_new_items:,}',
          *(study_page.format_number(result.figures.get(n)) for n in names),
      ]
      for result in results
  ]


def text_table(results: Sequence[DayResult], metrics: Sequence[str]) -> str:
  """Writes the days as a table for a terminal.

  Args:
    results: of all days.
    metrics: the columns.
  """
  cells = _cells(results, metrics)
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [
      '  '.join(
          cell.rjust(width) for cell, width in zip(row, widths, strict=True)
      )
      for row in cells
  ]
  lines.insert(1, '-' * len(lines[0]))
  return '\n'.join(lines)


def day_plot(results: Sequence[DayResult], metric: str) -> go.Figure:
  """Draws a metric by day, and that of the generator of day 0 beside it.

  Args:
    results: of all days.
    metric: its name.
  """
  traces = []
  names = incremental_results.columns(results, [metric])
  for number, name in enumerate(names):
    measured = [result for result in results if name in result.figures]
    traces.append(
        go.Scatter(
            x=[result.evaluation_day for result in measured],
            y=[result.figures[name] for result in measured],
            name='trained day by day' if name == metric else 'frozen at day 0',
            mode='lines+markers',
            line={'color': figures.colour(number), 'width': 2},
            hovertemplate='%{y:.4f}',
        )
    )
  figure = go.Figure(traces, figures.layout(showlegend=len(traces) > 1))
  figure.update_xaxes(title='evaluated up to', type='category')
  figure.update_yaxes(rangemode='tozero')
  return figure


def build(
    results: Sequence[DayResult],
    metrics: Sequence[str],
    directory: str | os.PathLike[str],
) -> pathlib.Path:
  """Writes `incremental.html`.

  Args:
    results: of all days.
    metrics: what is tabulated and drawn.
    directory: the folder of the days.

  Returns:
    The file's path.
  """
  path = pathlib.Path(directory) / FILE_NAME
  header, *rows = _cells(results, metrics)
  plots = ''.join(
      page.card(page.figure(f'metric-{n}', day_plot(results, metric)), metric)
      for n, metric in enumerate(metrics)
  )
  sections = [
      page.Section('Days', page.card(page.table(header, rows)), _NOTE),
      page.Section('Curves', f'<div class="charts">{plots}</div>'),
  ]
  with atomic.write_file(path) as temporary:
    name = pathlib.Path(directory).resolve().name
    text = page.page(f'PLUM-JAX · {name}', '', sections)
    temporary.write_text(text, encoding='utf-8')
  return path
