# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A ranking study for people: plain text, and one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import os
import pathlib
import statistics

from plotly import graph_objects as go

from plum_jax.artifacts import atomic
from plum_jax.ranking import study
from plum_jax.ranking.study import Change
from plum_jax.ranking.study import Setting
from plum_jax.ranking.study import StudyResults
from plum_jax.reports import figures
from plum_jax.reports import page

FILE_NAME = 'ranking_study.html'
_DECILES = [f'{decile:02d}' for decile in range(1, 11)]
_HEADER = (
    'history',
    'feature',
    'rows',
    'CTR AUC',
    '% change',
    'CTR/1D AUC',
    '% change',
)


def _number(value: float | None, digits: int = 4) -> str:
  return '–' if value is None else f'{value:.{digits}f}'


def _mean(values: Iterable[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return statistics.fmean(known) if known else None


def _change(found: Change) -> str:
  """Mean change and its standard deviation over seeds."""
  if found.mean is None:
    return '–'
  spread = '' if found.spread is None else f' ± {found.spread:.2f}'
  return f'{found.mean:+.2f}{spread}'


def _history(setting: Setting) -> str:
  return 'with' if setting.history else 'without'


def _rows(results: StudyResults) -> list[list[str]]:
  rows = []
  for setting in results.figures:
    row = [_history(setting), setting.feature, f'{results.rows[setting]:,}']
    for metric in study.headline_metrics(results):
      row.append(_number(_mean(results.values(setting, metric))))
      row.append(_change(results.change(setting, metric)))
    rows.append(row)
  return rows


def note(results: StudyResults) -> str:
  """Says what the numbers are."""
  seeds = ', '.join(map(str, results.seeds))
  counts = next(iter(results.figures.values()))[0]
  train, test = counts['ranking/num_train'], counts['ranking/num_test']
  cold, items = (
      counts['ranking/num_test_1d'],
      counts['ranking/num_cold_start_items'],
  )
  return (
      f'Trained on {train:,} impressions, tested on the {test:,} after them; '
      f'CTR/1D AUC on {cold:,} of {items:,} items that were first seen then. '
      f'% change is from {study.REFERENCE} with '
      f'{results.base_rows * results.smallest:,} rows, seed by seed, with or '
      'without the watch history as the row; mean ± standard deviation over '
      f'seeds {seeds}.'
  )


def text_table(results: StudyResults) -> str:
  """Writes a study as a table for a terminal.

  Args:
    results: of a study.

  Returns:
    Lines of equal columns, and a line on what they hold.
  """
  cells = [list(_HEADER), *_rows(results)]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [
      '  '.join(
          cell.ljust(width) if column < 2 else cell.rjust(width)
          for column, (cell, width) in enumerate(zip(row, widths, strict=True))
      ).rstrip()
      for row in cells
  ]
  lines.insert(1, '-' * (sum(widths) + 2 * len(widths) - 2))
  return '\n'.join([*lines, '', note(results)])


def change_figure(
    results: StudyResults, metric: str, *, history: bool
) -> go.Figure:
  """Draws % change over table rows: the paper's figure for a metric.

  Args:
    results: of a study.
    metric: name of a figure.
    history: of the settings to draw.

  Returns:
    A line for each feature with several table sizes, a dashed one across for
    one of a fixed size; bands of a standard deviation over seeds.
  """
  drawn = [setting for setting in results.figures if setting.history == history]
  sizes = [results.rows[one] for one in drawn if one.table_size]
  figure = go.Figure(
      layout=figures.layout(showlegend=True, height=380, hovermode='closest')
  )
  for number, feature in enumerate(dict.fromkeys(one.feature for one in drawn)):
    points = [
        (setting, results.change(setting, metric))
        for setting in drawn
        if setting.feature == feature
    ]
    points = [(one, found) for one, found in points if found.mean is not None]
    if not points:
      continue
    fixed = not points[0][0].table_size
    xs = [min(sizes), max(sizes)] if fixed else []
    xs = xs or [results.rows[setting] for setting, _ in points]
    found = [change for _, change in points] * (2 if fixed else 1)
    for trace in _band(
        xs,
        found,
        feature,
        figures.colour(number),
        fixed,
    ):
      figure.add_trace(trace)
  figure.update_xaxes(title='rows of the tables', type='log', dtick='D1')
  figure.update_yaxes(title='% change')
  return figure


def _band(
    xs: list[int], found: list[Change], name: str, colour: str, dashed: bool
) -> list[go.Scatter]:
  """Returns a band and the line in its middle."""
  means = [change.mean or 0.0 for change in found]
  spreads = [change.spread or 0.0 for change in found]
  high = [mean + spread for mean, spread in zip(means, spreads, strict=True)]
  low = [mean - spread for mean, spread in zip(means, spreads, strict=True)]
  band = go.Scatter(
      x=[*xs, *xs[::-1]],
      y=[*high, *low[::-1]],
      fill='toself',
      fillcolor=colour,
      opacity=0.15,
      line={'width': 0},
      mode='lines',
      hoverinfo='skip',
      legendgroup=name,
      showlegend=False,
  )
  line = go.Scatter(
      x=xs,
      y=means,
      name=page.escape(name),
      mode='lines' if dashed else 'lines+markers',
      line={'color': colour, 'width': 2, 'dash': 'dash' if dashed else 'solid'},
      legendgroup=name,
      hovertemplate='%{x:,} rows: %{y:+.2f} %',
  )
  return [band, line]


def decile_figure(results: StudyResults, prefix: str) -> go.Figure | None:
  """Draws a figure over deciles of popularity, at the largest table size.

  Args:
    results: of a study.
    prefix: name of the figure without the decile's number.

  Returns:
    A line for each feature; None if there is nothing to draw.
  """
  history = max(setting.history for setting in results.figures)
  largest: dict[str, Setting] = {}
  for setting in results.figures:
    if setting.history == history:
      largest[setting.feature] = setting
  traces = []
  for number, (feature, setting) in enumerate(largest.items()):
    means = [_mean(results.values(setting, prefix + one)) for one in _DECILES]
    if not any(means):
      continue
    traces.append(
        go.Scatter(
            x=list(range(1, 11)),
            y=means,
            name=page.escape(feature),
            mode='lines+markers',
            line={
                'color': figures.colour(number),
                'width': 2,
            },
            hovertemplate='%{y:.4f}',
        )
    )
  if not traces:
    return None
  figure = go.Figure(traces, figures.layout(showlegend=True, height=340))
  figure.update_xaxes(title='decile of popularity, 10 the most popular')
  return figure


def build(
    results: StudyResults, directory: str | os.PathLike[str]
) -> pathlib.Path:
  """Writes `ranking_study.html`.

  Args:
    results: of a study.
    directory: its folder.

  Returns:
    The file's path.
  """
  path = pathlib.Path(directory) / FILE_NAME
  with atomic.write_file(path) as temporary:
    name = pathlib.Path(directory).resolve().parent.name
    temporary.write_text(render(results, name), encoding='utf-8')
  return path


def render(results: StudyResults, name: str) -> str:
  """Returns the page's HTML.

  Args:
    results: of a study.
    name: the run's name.
  """
  sections = [
      page.Section(
          'Item features',
          page.card(page.table(_HEADER, _rows(results))),
          note(results),
      ),
      page.Section(
          'Over table sizes',
          f'<div class="charts">{_change_cards(results)}</div>',
          'Bands are a standard deviation over seeds. A dashed line is a '
          'feature whose size is fixed. The figures of arXiv 2306.08121.',
      ),
  ]
  deciles = _decile_cards(results)
  if deciles:
    sections.append(
        page.Section(
            'By popularity of the item',
            f'<div class="charts">{deciles}</div>',
            'Items of the training days in ten groups of one size; the largest '
            'tables, mean over seeds.',
        )
    )
  sections += [
      page.Section(
          'All labels',
          page.card(_metric_table(results, _label_metrics(results))),
          'Mean over seeds. Calibration is the mean prediction by the share of '
          'ones. A dash: not defined, for example the AUC of one class alone.',
      ),
      page.Section(
          'Tables',
          page.card(_rows_used_table(results)),
          'Rows that items of the training days look up; first seed.',
      ),
  ]
  return page.page(f'PLUM-JAX · ranking study · {name}', '', sections)


def _change_cards(results: StudyResults) -> str:
  titles = ('CTR AUC', 'CTR/1D AUC')
  histories = sorted({one.history for one in results.figures}, reverse=True)
  cards = []
  for metric, title in zip(
      study.headline_metrics(results), titles, strict=True
  ):
    for history in histories:
      content = change_figure(results, metric, history=history)
      plot = page.figure(f'change-{len(cards)}', content)
      words = 'with' if history else 'without'
      cards.append(page.card(plot, f'{title}, {words} watch history'))
  return ''.join(cards)


def _decile_cards(results: StudyResults) -> str:
  cards = []
  for title, prefix in (
      ('CTR AUC', f'ranking/{results.click}/auc_decile_'),
      ('Look-ups an item', 'ranking/look_ups/decile_'),
  ):
    content = decile_figure(results, prefix)
    if content is not None:
      plot = page.figure(f'decile-{len(cards)}', content)
      cards.append(page.card(plot, title))
  return ''.join(cards)


def _label_metrics(results: StudyResults) -> list[str]:
  """Returns the names of figures of labels, without those by decile."""
  first = next(iter(results.figures.values()))[0]
  kinds = ('log_loss', 'calibration', 'rmse', 'auc')
  return [
      name
      for name in first
      if name.rpartition('/')[2].startswith(kinds) and 'decile' not in name
  ]


def _metric_table(results: StudyResults, metrics: list[str]) -> str:
  return _setting_table(
      results,
      [name.removeprefix('ranking/') for name in metrics],
      lambda setting: [
          _number(_mean(results.values(setting, name))) for name in metrics
      ],
  )


def _rows_used_table(results: StudyResults) -> str:
  def cells(setting: Setting) -> list[str]:
    found = results.figures[setting][0]
    prefix = 'ranking/rows_used/'
    texts = [
        f'{name.removeprefix(prefix)} {value:,} of '
        f'{found[f"ranking/rows/{name.removeprefix(prefix)}"]:,}'
        for name, value in found.items()
        if name.startswith(prefix)
    ]
    return [', '.join(texts) or '–']

  return _setting_table(results, ['rows used'], cells)


def _setting_table(
    results: StudyResults,
    header: list[str],
    cells: Callable[[Setting], list[str]],
) -> str:
  """Writes a table with a row for each setting."""
  rows = [
      [_history(one), one.feature, f'{results.rows[one]:,}', *cells(one)]
      for one in results.figures
  ]
  return page.table(['history', 'feature', 'rows', *header], rows)
