# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A scaling study for people: plain text, and one HTML page."""

from __future__ import annotations

from collections.abc import Callable
import os
import pathlib

from plum_jax.artifacts import atomic
from plum_jax.reports import page
from plum_jax.reports import scaling_figures
from plum_jax.scaling import power_law
from plum_jax.scaling import study
from plum_jax.scaling.power_law import FittedLaw
from plum_jax.scaling.power_law import Interval
from plum_jax.scaling.power_law import PowerLaw
from plum_jax.scaling.results import ScalingResults
from plum_jax.scaling.study import MetricFit

FILE_NAME = 'scaling_report.html'
_TITLES = {
    study.TRAINING_LOSS: 'training loss',
    study.EVALUATION_LOSS: 'evaluation loss',
    study.MISS_RATE: '1 - Recall@10',
}
_RUN_HEADER = (
    'size',
    'parameters',
    'budget',
    'FLOPs',
    'steps',
    'seed',
    *_TITLES.values(),
)
_FIT_HEADER = (
    'metric',
    'exponent',
    'interval',
    'floor',
    'best size',
    'interval',
)


def _interval(found: Interval | None, form: str = '.3f') -> str:
  if found is None:
    return '–'
  return f'{found.low:{form}} … {found.high:{form}}'


def _run_rows(results: ScalingResults) -> list[list[str]]:
  return [
      [
          str(one.size),
          f'{one.parameters:,}',
          f'{one.budget:.3g}',
          f'{one.flops:.3g}',
          f'{one.steps:,}',
          str(one.seed),
          *(f'{one.metrics[name]:.4f}' for name in study.METRICS),
      ]
      for one in sorted(
          results.records, key=lambda one: (one.budget, one.size, one.seed)
      )
  ]


def _best_cells(results: ScalingResults) -> list[tuple[int, int]]:
  """Returns (row, column) of each budget's best value of each metric."""
  ordered = sorted(
      results.records, key=lambda one: (one.budget, one.size, one.seed)
  )
  found = []
  for budget in {one.budget for one in ordered}:
    rows = [i for i, one in enumerate(ordered) if one.budget == budget]
    for number, name in enumerate(study.METRICS):
      best = min(rows, key=lambda i, n=name: ordered[i].metrics[n])
      found.append((best, len(_RUN_HEADER) - len(study.METRICS) + number))
  return found


def _law_cells(
    law: FittedLaw | None, value: Callable[[PowerLaw], float]
) -> list[str]:
  if law is None:
    return ['–', '–']
  return [f'{value(law.law):.4f}', _interval(law.interval(value))]


def _fit_rows(results: ScalingResults) -> list[list[str]]:
  rows = []
  for name, found in results.fits.items():
    floor = found.frontier.law.floor if found.frontier else 0.0
    rows.append(
        [
            _TITLES[name],
            *_law_cells(found.frontier, lambda law: law.exponent),
            f'{floor:.4f}' if floor else '–',
            *_law_cells(found.optimal_size, lambda law: law.exponent),
        ]
    )
  return rows


def _optimum_rows(found: MetricFit) -> list[list[str]]:
  return [
      [
          f'{one.budget:.3g}',
          f'{one.parameters:,.0f}',
          _interval(one.interval, ',.0f'),
          f'{one.value:.4f}',
          'parabola' if one.parabola else 'best run',
      ]
      for one in found.optima
  ]


def _prediction_rows(results: ScalingResults) -> list[list[str]]:
  made = results.prediction
  if made is None:
    return []
  rows = []
  for name, one in made.metrics.items():
    error = one.relative_error
    rows.append(
        [
            _TITLES[name],
            f'{one.value:.4f}',
            _interval(one.interval, '.4f'),
            '–' if one.measured is None else f'{one.measured:.4f}',
            '–' if error is None else f'{100 * error:+.1f} %',
        ]
    )
  return rows


_PREDICTION_HEADER = ('metric', 'predicted', 'interval', 'measured', 'error')


def _prediction_note(results: ScalingResults) -> str:
  made = results.prediction
  if made is None:
    return ''
  return (
      f'For {made.budget:.3g} FLOPs, from the other budgets alone: '
      f'{made.best_parameters:,.0f} parameters are best, which size '
      f'{made.size} with {made.parameters:,} comes nearest to. Written down '
      'before this run started.'
  )


def fit_note() -> str:
  """Says what the fits are."""
  level = f'{power_law.LEVEL:.0%}'
  return (
      'Exponents of FLOPs: of a metric along the frontier, the best run of '
      f'each budget, and of the best number of parameters. {level} intervals '
      'by residual bootstrap; they know of the scatter around a law alone. A '
      'dash: too few runs to know.'
  )


def _size_note() -> str:
  return (
      'Parameters are those that a token meets, without tables. FLOPs are '
      'those of all products, forward and backward, logits included.'
  )


def text_table(results: ScalingResults) -> str:
  """Writes a study as tables for a terminal.

  Args:
    results: of a study.

  Returns:
    Runs, fits, and the prediction if there is one.
  """
  parts = [
      _lines([_RUN_HEADER, *_run_rows(results)]),
      _size_note(),
      '',
      _lines([_FIT_HEADER, *_fit_rows(results)]),
      fit_note(),
  ]
  if results.prediction is not None:
    parts += [
        '',
        _lines([_PREDICTION_HEADER, *_prediction_rows(results)]),
        _prediction_note(results),
    ]
  return '\n'.join(parts)


def _lines(cells: list) -> str:
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [
      '  '.join(
          cell.ljust(width) if column == 0 else cell.rjust(width)
          for column, (cell, width) in enumerate(zip(row, widths, strict=True))
      ).rstrip()
      for row in cells
  ]
  lines.insert(1, '-' * (sum(widths) + 2 * len(widths) - 2))
  return '\n'.join(lines)


def build(
    results: ScalingResults, directory: str | os.PathLike[str], name: str
) -> pathlib.Path:
  """Writes `scaling_report.html`.

  Args:
    results: of a study.
    directory: an existing folder.
    name: the study's name.

  Returns:
    The file's path.
  """
  path = pathlib.Path(directory) / FILE_NAME
  with atomic.write_file(path) as temporary:
    temporary.write_text(render(results, name), encoding='utf-8')
  return path


def render(results: ScalingResults, name: str) -> str:
  """Returns the page's HTML.

  Args:
    results: of a study.
    name: the study's name.
  """
  sections = [
      page.Section(
          'Against FLOPs',
          _charts(results, scaling_figures.frontier_figure, 'frontier'),
          'A line for each size, through the budgets. Dashed: the law of the '
          'best runs and its interval; a star is the predicted run.',
      ),
      page.Section(
          'Against size',
          _charts(results, scaling_figures.iso_flop_figure, 'size'),
          'A colour for each budget, with its parabola; a cross is its least '
          'value. A parabola without one among the sizes is left out.',
      ),
      page.Section(
          'Best size',
          page.card(
              page.figure(
                  'best-size', scaling_figures.optimal_size_figure(results)
              ),
              'by evaluation loss',
          )
          + page.card(
              page.table(
                  ('budget', 'parameters', 'interval', 'loss', 'from'),
                  _optimum_rows(results.fits[study.EVALUATION_LOSS]),
              )
          ),
          _size_note(),
      ),
      page.Section(
          'Fits',
          page.card(page.table(_FIT_HEADER, _fit_rows(results))),
          fit_note(),
      ),
  ]
  if results.prediction is not None:
    table = page.table(_PREDICTION_HEADER, _prediction_rows(results))
    sections.append(
        page.Section('Prediction', page.card(table), _prediction_note(results))
    )
  sections.append(
      page.Section(
          'Runs',
          page.card(
              page.table(_RUN_HEADER, _run_rows(results), _best_cells(results))
          ),
          'In bold the best of each budget.',
      )
  )
  return page.page(f'PLUM-JAX · scaling study · {name}', '', sections)


def _charts(results: ScalingResults, draw: Callable, prefix: str) -> str:
  cards = [
      page.card(
          page.figure(f'{prefix}-{number}', draw(results, metric)),
          _TITLES[metric],
      )
      for number, metric in enumerate(study.METRICS)
  ]
  return f'<div class="charts">{"".join(cards)}</div>'
