# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What each recommender shows, knows and costs: a table and two plots."""

from __future__ import annotations

import numpy as np
from plotly import graph_objects as go
import pyarrow.compute as pc

from plum_jax.evaluation import item_groups
from plum_jax.evaluation.results import SavedResults
from plum_jax.reports import figures
from plum_jax.reports import results_table
from plum_jax.reports.results_table import Row

_MOST_POINTS = 500
_NONE = '–'


def header(k: int) -> list[str]:
  """Returns the columns of `cells`, after the recommender."""
  return [
      f'Effective vocabulary@{k}',
      f'Cold-start recall@{k}',
      'Table params',
      'Network params',
      'Training FLOPs',
      'Examples',
      'Targets',
  ]


def cells(row: Row, k: int) -> list[str]:
  """Writes a recommender's figures, dashes where there are none.

  Args:
    row: the recommender.
    k: cut-off.

  Returns:
    One text for each of `header`.
  """
  metrics = row.metrics
  num_targets = metrics.get('cold_start/num_targets')
  cold = results_table.format_metric(metrics.get(f'cold_start/recall@{k}'))
  if num_targets is not None:
    cold += f' of {int(num_targets):,}'
  return [
      _count(metrics.get(f'retrieval/effective_vocabulary@{k}')),
      cold,
      _count(metrics.get('parameters/tables')),
      _count(metrics.get('parameters/network')),
      _power(metrics.get('training/flops')),
      _count(metrics.get('training/examples')),
      _count(metrics.get('training/targets')),
  ]


def _count(value: float | None) -> str:
  return _NONE if value is None else f'{round(value):,}'


def _power(value: float | None) -> str:
  return _NONE if value is None else f'{value:.3g}'


def text_table(results: SavedResults) -> str:
  """Writes the figures of all recommenders as a table for a terminal.

  A figure a line and a recommender a column, since the columns are few.

  Args:
    results: of an evaluation.
  """
  found = results_table.main_rows(results)
  k = results_table.main_cut_off(results)
  columns = [
      ['', *header(k)],
      *([row.label, *cells(row, k)] for row in found),
  ]
  widths = [max(map(len, column)) for column in columns]
  lines = [
      '  '.join(
          cell.rjust(width) if number else cell.ljust(width)
          for number, (cell, width) in enumerate(zip(line, widths, strict=True))
      ).rstrip()
      for line in zip(*columns, strict=True)
  ]
  lines.insert(1, '-' * (sum(widths) + 2 * len(widths) - 2))
  return '\n'.join(lines)


def popularity_figure(results: SavedResults) -> go.Figure | None:
  """Draws recall by decile of popularity, and on cold-start items.

  Args:
    results: of an evaluation.

  Returns:
    The figure; None if the evaluation has not measured it.
  """
  k = results_table.main_cut_off(results)
  deciles = range(1, item_groups.NUM_DECILES + 1)
  names = [item_groups.decile_name(decile) for decile in deciles]
  labels = [str(decile) for decile in deciles] + ['cold start']
  traces = []
  for row in results_table.main_rows(results):
    values = [
        row.metrics.get(f'{name}/recall@{k}')
        for name in (*names, item_groups.COLD_START)
    ]
    if all(value is None for value in values):
      continue
    traces.append(
        go.Bar(
            x=labels,
            y=values,
            name=row.label,
            marker={'color': figures.colour(len(traces))},
            hovertemplate='%{y:.4f}',
        )
    )
  if not traces:
    return None
  figure = go.Figure(traces, figures.layout(showlegend=True, barmode='group'))
  figure.update_xaxes(title='decile of popularity', type='category')
  return figure


def impressions_figure(results: SavedResults) -> go.Figure | None:
  """Draws what share of all that is shown the most shown items make up.

  Args:
    results: of an evaluation.

  Returns:
    The figure; None if nothing was recommended.
  """
  k = results_table.main_cut_off(results)
  traces = []
  for row in results_table.main_rows(results):
    counts = _impressions(results, row.name, k)
    if not len(counts):
      continue
    share = np.cumsum(counts) / counts.sum()
    kept = _spread(len(share))
    traces.append(
        go.Scatter(
            x=(kept + 1).tolist(),
            y=share[kept].tolist(),
            name=row.label,
            mode='lines',
            line={'color': figures.colour(len(traces)), 'width': 2},
            hovertemplate='%{y:.1%}',
        )
    )
  if not traces:
    return None
  figure = go.Figure(traces, figures.layout(showlegend=True))
  figure.update_xaxes(title='items, most shown first', rangemode='tozero')
  figure.update_yaxes(tickformat='.0%', rangemode='tozero')
  figure.add_hline(y=0.95, line={'dash': 'dot', 'width': 1})
  return figure


def _impressions(results: SavedResults, name: str, k: int) -> np.ndarray:
  """Counts how often each item was among the first k, most often first."""
  table = results.recommendations
  shown = table.filter(pc.equal(table['recommender'], name))['item_ids']
  items = pc.list_flatten(pc.list_slice(shown, 0, k))
  counts = pc.struct_field(pc.value_counts(items), 'counts').to_numpy()
  return np.sort(counts)[::-1]


def _spread(num_points: int) -> np.ndarray:
  """Chooses positions to draw, the first and the last among them."""
  chosen = np.linspace(0, num_points - 1, min(num_points, _MOST_POINTS))
  return np.unique(np.round(chosen).astype(int))
