# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Retrieval, ranking and rating of all models, as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from plum_jax.evaluation.task_results import RANKING
from plum_jax.evaluation.task_results import RATING
from plum_jax.evaluation.task_results import RETRIEVAL
from plum_jax.evaluation.task_results import TaskResults
from plum_jax.evaluation.task_results import TASKS
from plum_jax.reports import results_table

_LABELS = {
    'recall': 'Recall',
    'ndcg': 'NDCG',
    'hr': 'HR',
    'mrr': 'MRR',
    'rmse': 'RMSE',
    'mae': 'MAE',
    'auc': 'AUC',
}


def text_table(results: TaskResults) -> str:
  """Writes a table for each task.

  Args:
    results: of the stage `evaluate_tasks`.

  Returns:
    Lines of equal columns, a row for each model with a number; then the models
    without, and why.
  """
  parts = []
  for task in TASKS:
    rows = [
        model
        for model in results.models
        if f'{model}/{task}' not in results.undefined
    ]
    if rows:
      parts.append(_table(results, task, rows))
  reasons: dict[str, list[str]] = {}
  for name, reason in results.undefined.items():
    model, _, task = name.partition('/')
    label = f'{results_table.label(model)} ({task})'
    reasons.setdefault(reason, []).append(label)
  if reasons:
    lines = [f'  {", ".join(of)}: {why}' for why, of in reasons.items()]
    parts.append('\n'.join(['Not defined', *lines]))
  return '\n\n'.join(parts)


def _table(results: TaskResults, task: str, rows: Sequence[str]) -> str:
  prefix = f'{rows[0]}/{task}/'
  metrics = [
      name.removeprefix(prefix)
      for name in results.metrics
      if name.startswith(prefix)
  ]
  cells = [[_title(results, task), *map(_label, metrics)]]
  for model in rows:
    values = [results.metrics[f'{model}/{task}/{name}'] for name in metrics]
    cells.append(
        [
            results_table.label(model),
            *map(results_table.format_metric, values),
        ]
    )
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [
      '  '.join(
          cell.rjust(width) if number else cell.ljust(width)
          for number, (cell, width) in enumerate(zip(line, widths, strict=True))
      )
      for line in cells
  ]
  lines.insert(1, '-' * (sum(widths) + 2 * len(widths) - 2))
  return '\n'.join(lines)


def _title(results: TaskResults, task: str) -> str:
  """Says what a table is about, as short as a first column may be."""
  protocol = results.protocol
  return {
      RETRIEVAL: 'Retrieval',
      RANKING: f'Ranking, 1 + {protocol["num_negatives"]}',
      RATING: f'{protocol["num_ratings"]:,} ratings',
  }[task]


def _label(name: str) -> str:
  """Writes a metric's name for readers.

  >>> _label('hr@10'), _label('rmse')
  ('HR@10', 'RMSE')
  """
  first, at, k = name.partition('@')
  return f'{_LABELS[first]}{at}{k}'
