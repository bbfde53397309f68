# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Loss curves, as Plotly figures that suit light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plotly import graph_objects as go

GREY = '#7a8794'
# Told apart on white and on black, and by those who are colour-blind.
COLOURS = (
    '#3d7fd9',
    '#d9822b',
    '#2f9e77',
    '#8f6ad6',
    '#c94f6d',
    GREY,
    '#b0a43a',
    '#4fb3c9',
    '#a05d3b',
)
_MOST_POINTS = 1_000
_LOSSES = ('loss', 'reconstruction', 'quantization')
_VALIDATION_METRIC = 'recall@10'

Log = Sequence[Mapping[str, float | None]]


def colour(number: int) -> str:
  """Returns the colour of what is compared, by its number from 0."""
  return COLOURS[number % len(COLOURS)]


def layout(**changes) -> go.Layout:
  """Returns a bare layout: no background, grey text, little margin."""
  axis = {
      'gridcolor': 'rgba(122,135,148,.22)',
      'linecolor': 'rgba(122,135,148,.5)',
      'zeroline': False,
      'automargin': True,
  }
  settings = {
      'template': 'none',
      'paper_bgcolor': 'rgba(0,0,0,0)',
      'plot_bgcolor': 'rgba(0,0,0,0)',
      'font': {'family': 'system-ui, sans-serif', 'size': 12, 'color': GREY},
      'margin': {'l': 48, 'r': 12, 't': 8, 'b': 40},
      'height': 260,
      'legend': {
          'orientation': 'h',
          'yanchor': 'bottom',
          'y': 1.0,
          'x': 0,
          'bgcolor': 'rgba(0,0,0,0)',
      },
      'xaxis': axis,
      'yaxis': dict(axis),
      'hovermode': 'x unified',
      'dragmode': False,
  }
  return go.Layout(settings | changes)


def loss_figure(log: Log) -> go.Figure | None:
  """Draws training and validation losses of a stage.

  Args:
    log: the lines of its `metrics.jsonl`: `step`, and scalars by name. `loss`,
      `train/loss`, `validation/loss` and the parts of the RQ-VAE's loss are
      drawn.

  Returns:
    The figure; None if there is no loss.
  """
  names = _names(log, lambda name: name.rpartition('/')[2] in _LOSSES)
  traces = [_trace(log, name, number) for number, name in enumerate(names)]
  if not traces:
    return None
  values = [value for trace in traces for value in trace.y]
  figure = go.Figure(traces, layout(showlegend=True))
  figure.update_xaxes(title='step')
  # A loss that falls by orders of magnitude is unreadable on a linear axis.
  if min(values) > 0 and max(values) > 30 * min(values):
    figure.update_yaxes(type='log', title='log scale')
  return figure


def recall_figure(logs: Mapping[str, Log]) -> go.Figure | None:
  """Draws validation Recall@10 of all stages that measured it.

  Args:
    logs: lines of `metrics.jsonl`, by stage.

  Returns:
    The figure; None if no stage has measured it.
  """
  traces = []
  for stage, log in logs.items():
    for name in _names(log, lambda name: name.endswith(_VALIDATION_METRIC)):
      trace = _trace(log, name, len(traces))
      # Training lengths differ: the share of it compares the stages.
      last = float(log[-1]['step'] or 1)
      trace.update(
          x=[step / last for step in trace.x],
          name=stage,
          mode='lines+markers',
          hovertemplate='%{y:.4f}',
      )
      traces.append(trace)
  if not traces:
    return None
  figure = go.Figure(traces, layout(showlegend=True))
  figure.update_xaxes(title='share of training', tickformat='.0%')
  figure.update_yaxes(rangemode='tozero')
  return figure


def _names(log: Log, wanted) -> list[str]:
  """Returns the scalars' names that are wanted, training before others."""
  names = dict.fromkeys(name for line in log for name in line)
  return sorted(
      filter(wanted, names), key=lambda name: not name.startswith('train')
  )


def _trace(log: Log, name: str, number: int) -> go.Scatter:
  points = [
      (line['step'], line[name]) for line in log if line.get(name) is not None
  ]
  every = -(-len(points) // _MOST_POINTS)
  # Counted from the end, so that the last point is always there.
  points = points[::-1][:: max(every, 1)][::-1]
  group, _, short = name.rpartition('/')
  return go.Scatter(
      x=[step for step, _ in points],
      y=[value for _, value in points],
      name={'train': 'training'}.get(group, group) or short,
      mode='lines' if len(points) > 20 else 'lines+markers',
      line={'color': colour(number), 'width': 2},
      marker={'size': 5},
      hovertemplate='%{y:.4g}',
  )
