# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The figures of a scaling study: frontier, iso-FLOP curves, best sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math

import numpy as np
from plotly import graph_objects as go

from plum_jax.reports import figures
from plum_jax.scaling import study
from plum_jax.scaling.power_law import FittedLaw
from plum_jax.scaling.results import ScalingResults
from plum_jax.scaling.study import Point

_COLOURS = tuple(x for x in figures.COLOURS if x != figures.GREY)
_LAW = figures.GREY
_NUM_SAMPLES = 40


def _colour(number: int) -> str:
  return _COLOURS[number % len(_COLOURS)]


def format_count(value: float) -> str:
  """Writes a count in three digits.

  >>> format_count(98_752), format_count(1_536_000), format_count(12)
  ('98.8k', '1.54M', '12')
  """
  for size, letter in ((1e9, 'B'), (1e6, 'M'), (1e3, 'k')):
    if value >= size:
      return f'{value / size:.3g}{letter}'
  return f'{value:.3g}'


def _figure(
    x_title: str, ticks: Sequence[float], form: Callable[[float], str]
) -> go.Figure:
  """Returns an empty figure with ticks where the runs are."""
  figure = go.Figure(
      layout=figures.layout(showlegend=True, height=360, hovermode='closest')
  )
  values = sorted(set(ticks))
  figure.update_xaxes(
      title=x_title,
      type='log',
      tickvals=values,
      ticktext=[form(value) for value in values],
  )
  return figure


def _budgets(results: ScalingResults) -> list[float]:
  made = results.prediction
  return [
      *(one.budget for one in results.records),
      *([] if made is None else [made.budget]),
  ]


def _format_flops(value: float) -> str:
  return f'{value:.3g}'


def _span(values: Sequence[float], beyond: float = 1.0) -> np.ndarray:
  """Returns numbers from the least to `beyond` times the greatest."""
  return np.geomspace(min(values), max(values) * beyond, _NUM_SAMPLES)


def _law_traces(law: FittedLaw, xs: np.ndarray, name: str) -> list[go.Scatter]:
  """Returns a law, dashed, and its interval as a band."""
  traces = []
  if law.draws:
    found = [law.interval(lambda drawn, x=x: drawn(x)) for x in xs]
    ends = [(one.low, one.high) for one in found if one is not None]
    traces.append(
        go.Scatter(
            x=[*xs, *xs[::-1]],
            y=[high for _, high in ends] + [low for low, _ in ends[::-1]],
            fill='toself',
            fillcolor=_LAW,
            opacity=0.15,
            line={'width': 0},
            mode='lines',
            hoverinfo='skip',
            showlegend=False,
        )
    )
  traces.append(
      go.Scatter(
          x=list(xs),
          y=[law.law(float(x)) for x in xs],
          name=name,
          mode='lines',
          line={'color': _LAW, 'width': 2, 'dash': 'dash'},
          hovertemplate='%{y:.4g}',
      )
  )
  return traces


def _points(
    found: Sequence[Point], x: str, metric: str, name: str, number: int, lines
) -> go.Scatter:
  return go.Scatter(
      x=[getattr(one, x) for one in found],
      y=[one.metrics[metric] for one in found],
      name=name,
      mode='lines+markers' if lines else 'markers',
      line={'color': _colour(number), 'width': 2},
      marker={'size': 8, 'color': _colour(number)},
      hovertemplate='%{x:.3g}: %{y:.4f}',
  )


def frontier_figure(results: ScalingResults, metric: str) -> go.Figure:
  """Draws a metric against FLOPs.

  Args:
    results: of a study.
    metric: one of `study.METRICS`.

  Returns:
    A line for each size, the frontier's law, and the predicted run.
  """
  found = study.points(results.records)
  made = results.prediction
  figure = _figure('FLOPs', _budgets(results), _format_flops)
  for number, size in enumerate(sorted({one.size for one in found})):
    of_size = [one for one in found if one.size == size]
    name = f'size {size}'
    figure.add_trace(_points(of_size, 'flops', metric, name, number, True))
  frontier = results.fits[metric].frontier
  if frontier is not None:
    budgets = [one.flops for one in found]
    if made is not None:
      budgets.append(made.budget)
    for trace in _law_traces(frontier, _span(budgets), 'law'):
      figure.add_trace(trace)
  if made is not None and made.metrics[metric].measured is not None:
    figure.add_trace(
        go.Scatter(
            x=[made.budget],
            y=[made.metrics[metric].measured],
            name=f'size {made.size}, predicted',
            mode='markers',
            marker={'symbol': 'star', 'size': 14, 'color': _LAW},
            hovertemplate='%{y:.4f}',
        )
    )
  return figure


def iso_flop_figure(results: ScalingResults, metric: str) -> go.Figure:
  """Draws a metric against size, a curve for each budget.

  Args:
    results: of a study.
    metric: one of `study.METRICS`.

  Returns:
    The points of each budget, its parabola and where that is least.
  """
  found = study.points(results.records)
  groups = study.by_budget(found)
  figure = _figure(
      'parameters', [one.parameters for one in found], format_count
  )
  for number, (one, group) in enumerate(
      zip(results.fits[metric].optima, groups.values(), strict=True)
  ):
    name = f'{one.budget:.3g} FLOPs'
    lines = one.parabola is None
    figure.add_trace(_points(group, 'parameters', metric, name, number, lines))
    if one.parabola is None:
      continue
    xs = _span([point.parameters for point in group])
    figure.add_trace(
        go.Scatter(
            x=list(xs),
            y=[one.parabola(float(x)) for x in xs],
            mode='lines',
            line={'color': _colour(number), 'width': 1.5, 'dash': 'dot'},
            hoverinfo='skip',
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[one.parameters],
            y=[one.value],
            mode='markers',
            marker={'symbol': 'x', 'size': 10, 'color': _colour(number)},
            hovertemplate='best: %{x:,.0f}',
            showlegend=False,
        )
    )
  return figure


def optimal_size_figure(results: ScalingResults) -> go.Figure:
  """Draws the best size against the budget, by evaluation loss.

  Args:
    results: of a study.

  Returns:
    The optima with their intervals, their law, and what was predicted.
  """
  fit, made = results.fits[study.EVALUATION_LOSS], results.prediction
  figure = _figure('FLOPs', _budgets(results), _format_flops)
  sizes = [one.parameters for one in results.records]
  if made is not None:
    sizes.append(made.parameters)
  figure.update_yaxes(
      title='parameters',
      type='log',
      # All sizes of the study, also where one is best everywhere.
      range=[math.log10(min(sizes) / 1.5), math.log10(max(sizes) * 1.5)],
      tickvals=sorted(set(sizes)),
      ticktext=[format_count(size) for size in sorted(set(sizes))],
  )
  for name, number, wanted in (('parabolas', 0, True), ('best runs', 1, False)):
    drawn = [one for one in fit.optima if (one.parabola is not None) == wanted]
    if not drawn:
      continue
    ends = [(one, one.interval) for one in drawn]
    figure.add_trace(
        go.Scatter(
            x=[one.budget for one in drawn],
            y=[one.parameters for one in drawn],
            name=name,
            mode='markers',
            marker={'size': 9, 'color': _colour(number)},
            error_y={
                'type': 'data',
                'symmetric': False,
                'array': [
                    i.high - one.parameters if i else 0 for one, i in ends
                ],
                'arrayminus': [
                    one.parameters - i.low if i else 0 for one, i in ends
                ],
            },
            hovertemplate='%{y:,.0f}',
        )
    )
  if fit.optimal_size is not None:
    budgets = [one.budget for one in fit.optima]
    if made is not None:
      budgets.append(made.budget)
    for trace in _law_traces(fit.optimal_size, _span(budgets), 'law'):
      figure.add_trace(trace)
  if made is not None:
    figure.add_trace(
        go.Scatter(
            x=[made.budget],
            y=[made.parameters],
            name=f'size {made.size}, run next',
            mode='markers',
            marker={'symbol': 'star', 'size': 14, 'color': _LAW},
            hovertemplate='%{y:,.0f}',
        )
    )
  return figure
