# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The results of an evaluation as rows, and as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from plum_jax.artifacts import manifest
from plum_jax.evaluation.results import SavedResults

_NAMES = {
    'generative': 'Generative',
    'lem': 'LEM',
    'sasrec': 'SASRec',
    'bpr_mf': 'BPR-MF',
    'biased_mf': 'Biased MF',
    'user_mean': 'User mean',
    'item_mean': 'Item mean',
    'global_mean': 'Global mean',
    'popularity': 'Popularity',
}
_METRICS = {
    'recall': 'Recall',
    'ndcg': 'NDCG',
    'mrr': 'MRR',
    'coverage': 'Coverage',
    'valid_item_rate': 'Valid items',
    'diversity': 'Diversity',
}
_SPLITS = {
    'leave_one_out': "Leave-one-out: each user's last item is the target",
    'by_time': 'Split by time: what follows the training days is the target',
}


@dataclasses.dataclass(frozen=True)
class Row:
  """A recommender's results.

  Attributes:
    name: the recommender's name in the files.
    label: its name for readers.
    exclude_history: whether items of the history were masked.
    metrics: by name such as `retrieval/recall@10`; None where undefined.
  """

  name: str
  label: str
  exclude_history: bool
  metrics: Mapping[str, float | None]


def label(name: str) -> str:
  """Writes a recommender's name for readers.

  The ending `_history_kept` goes: the column beside it says so.

  >>> label('sasrec'), label('generative_history_kept'), label('sasrec_wide')
  ('SASRec', 'Generative', 'SASRec wide')
  """
  first, rest = _first_name(name.removesuffix('_history_kept'))
  words = [_NAMES.get(first, first), *rest.split('_')]
  return ' '.join(words).strip()


def _first_name(name: str) -> tuple[str, str]:
  """Splits a name into that of a recommender and what it is a variant by."""
  for known in _NAMES:
    if name == known or name.startswith(f'{known}_'):
      return known, name[len(known) + 1 :]
  first, _, rest = name.partition('_')
  return first, rest


def rows(results: SavedResults) -> list[Row]:
  """Takes the results apart, the generator first, popularity last.

  Args:
    results: of an evaluation.

  Returns:
    One row per recommender.
  """
  order = list(_NAMES)

  def rank(name: str) -> tuple[int, str]:
    first, _ = _first_name(name)
    # Recommenders that are not known stand before popularity.
    return (order.index(first) if first in order else 1, name)

  recommenders = results.protocol['recommenders']
  return [
      Row(
          name=name,
          label=label(name),
          exclude_history=recommenders[name]['exclude_history'],
          metrics={
              key[len(name) + 1 :]: value
              for key, value in results.metrics.items()
              if key.startswith(f'{name}/')
          },
      )
      for name in sorted(recommenders, key=rank)
  ]


def main_rows(results: SavedResults) -> list[Row]:
  """Leaves out variants: rows named like another and an ending.

  With `sasrec` and `sasrec_history_kept` only the first is taken.
  """
  found = rows(results)
  return [
      row
      for row in found
      if not any(row.name.startswith(f'{other.name}_') for other in found)
  ]


def best_cells(
    found: Sequence[Row], metrics: Sequence[str]
) -> list[tuple[int, int]]:
  """Finds the greatest values, among rows with the history masked or kept.

  Args:
    found: the rows.
    metrics: the columns.

  Returns:
    (row, column) of each greatest value; none where all are equal.
  """
  best = []
  for masked in (True, False):
    group = [n for n, row in enumerate(found) if row.exclude_history == masked]
    for column, metric in enumerate(metrics):
      values = {n: found[n].metrics.get(metric) for n in group}
      values = {n: value for n, value in values.items() if value is not None}
      winners = [n for n in values if values[n] == max(values.values())]
      if len(winners) < len(group):
        best += [(n, column) for n in winners]
  return best


def shown_metrics(results: SavedResults) -> list[str]:
  """Returns the names of the metrics to show, in order.

  Recall and NDCG at every cut-off; MRR, coverage, valid items, and diversity
  where items have categories, at 10, or at the greatest cut-off if 10 is none.
  """
  ks, main = _cut_offs(results), main_cut_off(results)
  wanted = [(metric, k) for metric in ('recall', 'ndcg') for k in ks]
  wanted += [(metric, main) for metric in list(_METRICS)[2:]]
  names = [f'retrieval/{metric}@{k}' for metric, k in wanted]
  has_categories = any('/diversity@' in name for name in results.metrics)
  return names if has_categories else names[:-1]


def _cut_offs(results: SavedResults) -> list[int]:
  recommenders = results.protocol['recommenders'].values()
  return sorted({k for protocol in recommenders for k in protocol['ks']})


def main_cut_off(results: SavedResults) -> int:
  """Returns 10, or the greatest cut-off if 10 is none."""
  ks = _cut_offs(results)
  return 10 if 10 in ks else ks[-1]


def metric_label(metric: str) -> str:
  """Writes a metric's name for readers.

  >>> metric_label('retrieval/recall@10')
  'Recall@10'
  """
  name, _, k = metric.rpartition('/')[2].partition('@')
  return f'{_METRICS.get(name, name)}@{k}'


def _short_label(metric: str) -> str:
  """Writes a metric's name so that a table fits 80 columns."""
  return metric_label(metric).replace('Diversity', 'Div.')


def protocol_line(
    results: SavedResults, manifests: Mapping[str, manifest.Manifest]
) -> str:
  """Says how the numbers came about, in one line.

  Args:
    results: of an evaluation.
    manifests: of the run's stages, for their seeds.
  """
  recommenders = results.protocol['recommenders']
  some: Mapping[str, Any] = next(iter(recommenders.values()))
  masked = {value['exclude_history'] for value in recommenders.values()}
  history = {
      (True,): 'items of the history are masked',
      (False,): 'items of the history are kept',
  }.get(tuple(masked), 'history masked or kept as the table says')
  split = results.protocol['split']
  seeds = ', '.join(
      f'{name} {made.seed}'
      for name, made in manifests.items()
      if made.seed is not None
  )
  return (
      f'{_SPLITS.get(split, split)}; {some["num_users"]:,} targets; all '
      f'{some["num_items"]:,} items are candidates; {history}. '
      f'Seeds: {seeds or "none"}.'
  )


def text_table(
    results: SavedResults, manifests: Mapping[str, manifest.Manifest]
) -> str:
  """Writes the results as a table for a terminal.

  Args:
    results: of an evaluation.
    manifests: of the run's stages, for their seeds.

  Returns:
    Lines of equal columns, and a line on the protocol.
  """
  metrics = [
      metric for metric in shown_metrics(results) if _fits_a_terminal(metric)
  ]
  found = rows(results)
  cells: list[Sequence[str]] = [
      ['', 'history', *map(_short_label, metrics)],
      *(
          [
              row.label,
              'masked' if row.exclude_history else 'kept',
              *(format_metric(row.metrics.get(metric)) for metric in metrics),
          ]
          for row in found
      ),
  ]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = [
      '  '.join(
          cell.ljust(width) if number < 2 else cell.rjust(width)
          for number, (cell, width) in enumerate(zip(line, widths, strict=True))
      ).rstrip()
      for line in cells
  ]
  lines.insert(1, '-' * (sum(widths) + 2 * len(widths) - 2))
  return '\n'.join([*lines, '', protocol_line(results, manifests)])


def _fits_a_terminal(metric: str) -> bool:
  """Leaves out what the HTML report shows beside: lines get too long."""
  name, _, k = metric.rpartition('/')[2].partition('@')
  return name in ('recall', 'ndcg', 'coverage', 'diversity') and int(k) <= 10


def format_metric(value: float | None) -> str:
  """Writes a metric, or a dash where there is none.

  >>> format_metric(0.11456), format_metric(None)
  ('0.1146', '–')
  """
  return '–' if value is None else f'{value:.4f}'
