# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Charts of the quality of Semantic IDs, one line a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import html

from plotly import graph_objects as go

from plum_jax.reports import figures
from plum_jax.semantic_ids.quality.category_purity import Purity
from plum_jax.semantic_ids.quality.comparison import Comparison
from plum_jax.semantic_ids.quality.comparison import Level
from plum_jax.semantic_ids.quality.comparison import Prefix
from plum_jax.semantic_ids.quality.comparison import TableQuality

_SHARED = 'shared first codes'


@dataclasses.dataclass(frozen=True)
class Chart:
  """A chart and its heading.

  Attributes:
    name: its identifier on the page.
    title: plain text.
    figure: the lines.
  """

  name: str
  title: str
  figure: go.Figure


def hierarchy_charts(comparison: Comparison) -> list[Chart]:
  """Draws cosines and numbers of sub-trees by prefix."""
  charts = [
      _by_prefix(
          comparison,
          f'cosine-{number}',
          f'Mean cosine, {name}',
          lambda prefix, name=name: prefix.cosines[name],
      )
      for number, name in enumerate(comparison.tables[0].prefixes[0].cosines)
  ]
  charts.append(
      _by_prefix(
          comparison,
          'subtrees',
          'Distinct prefixes per item',
          lambda prefix: prefix.subtrees.num_subtrees / comparison.num_items,
      )
  )
  return [chart for chart in charts if chart is not None]


def meaning_charts(comparison: Comparison) -> list[Chart]:
  """Draws purity of categories and lift of co-occurrence by prefix."""
  charts = [
      _by_prefix(
          comparison,
          f'purity-{kind}',
          f'Purity, most {kind} category (dotted: by chance)',
          lambda prefix, kind=kind: _share(prefix.purity[kind]),
          lambda prefix, kind=kind: _by_chance(prefix.purity[kind]),
      )
      for kind in comparison.tables[0].prefixes[0].purity
  ]
  charts.append(
      _by_prefix(
          comparison,
          'lift',
          'Neighbours in histories: times as often as random pairs',
          _lift,
          logarithmic=True,
      )
  )
  return [chart for chart in charts if chart is not None]


def _share(purity: Purity | None) -> float | None:
  return None if purity is None else purity.share


def _by_chance(purity: Purity | None) -> float | None:
  return None if purity is None else purity.by_chance


def _lift(prefix: Prefix) -> float | None:
  found = prefix.co_occurrence
  # Nothing is as low as no pair at all, on a logarithmic axis.
  return None if found is None else found.lift or None


def codebook_charts(comparison: Comparison) -> list[Chart]:
  """Draws use of codes and reconstruction error by level."""
  charts = [
      _by_level(
          comparison,
          'perplexity',
          'Perplexity / codes of the level (dotted: used)',
          lambda level: level.use.perplexity / level.use.codebook_size,
          lambda level: level.use.usage,
      ),
      _by_level(
          comparison,
          'reconstruction',
          'Reconstruction error up to this level',
          lambda level: level.reconstruction_error,
      ),
  ]
  return [chart for chart in charts if chart is not None]


def _by_prefix(
    comparison: Comparison,
    name: str,
    title: str,
    value: Callable[[Prefix], float | None],
    dotted: Callable[[Prefix], float | None] | None = None,
    *,
    logarithmic: bool = False,
) -> Chart | None:
  traces = []
  for number, table in enumerate(comparison.tables):
    lengths = [prefix.length for prefix in table.prefixes]
    solid = [value(prefix) for prefix in table.prefixes]
    traces += _line(table, number, lengths, solid)
    if dotted is not None:
      chance = [dotted(prefix) for prefix in table.prefixes]
      traces += _line(table, number, lengths, chance, is_dotted=True)
  return _chart(name, title, traces, _SHARED, logarithmic)


def _by_level(
    comparison: Comparison,
    name: str,
    title: str,
    value: Callable[[Level], float | None],
    dotted: Callable[[Level], float | None] | None = None,
) -> Chart | None:
  traces = []
  for number, table in enumerate(comparison.tables):
    levels = list(range(1, len(table.levels) + 1))
    traces += _line(table, number, levels, [value(x) for x in table.levels])
    if dotted is not None:
      used = [dotted(level) for level in table.levels]
      traces += _line(table, number, levels, used, is_dotted=True)
  return _chart(name, title, traces, 'level', logarithmic=False)


def _line(
    table: TableQuality,
    number: int,
    x: Sequence[int],
    y: Sequence[float | None],
    *,
    is_dotted: bool = False,
) -> list[go.Scatter]:
  """Returns a table's line; none if it has no value."""
  points = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
  if not points:
    return []
  name = html.escape(table.name, quote=False)
  return [
      go.Scatter(
          x=[a for a, _ in points],
          y=[b for _, b in points],
          name=f'{name}, dotted' if is_dotted else name,
          showlegend=not is_dotted,
          mode='lines+markers',
          line={
              'color': figures.colour(number),
              'width': 1.5 if is_dotted else 2.5,
              'dash': 'dot' if is_dotted else 'solid',
          },
          marker={'size': 4 if is_dotted else 7},
          hovertemplate='%{y:.4g}',
      )
  ]


def _chart(
    name: str,
    title: str,
    traces: list[go.Scatter],
    x_title: str,
    logarithmic: bool,
) -> Chart | None:
  """Puts lines together; None if there are none."""
  if not traces:
    return None
  figure = go.Figure(traces, figures.layout(showlegend=True))
  figure.update_xaxes(title=x_title, dtick=1)
  if logarithmic:
    figure.update_yaxes(type='log')
  else:
    figure.update_yaxes(rangemode='tozero')
  return Chart(name, title, figure)
