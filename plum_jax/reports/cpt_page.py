# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What continued pre-training has taught: figures and texts for people.

* `metrics.json`: flat names and numbers.
* `completions.json`: `task`, `prompt`, `completion` and `answer` of each.
* `report.html`: both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import os
import pathlib

from plotly import graph_objects as go

from plum_jax.reports import figures
from plum_jax.reports import page

METRICS_FILE = 'metrics.json'
COMPLETIONS_FILE = 'completions.json'
REPORT_FILE = 'report.html'
_LEVEL = 'cpt/sid_perplexity/level_'
_HELD_OUT, _TRAINED = 'validation', 'train'


def save(
    directory: str | os.PathLike[str],
    metrics: Mapping[str, float],
    completions: Sequence[Mapping[str, str]],
    *,
    name: str,
) -> None:
  """Writes the three files into a folder that exists.

  Args:
    directory: where.
    metrics: by flat name.
    completions: see above.
    name: the run's.
  """
  directory = pathlib.Path(directory)
  for file, values in (
      (METRICS_FILE, dict(metrics)),
      (COMPLETIONS_FILE, [dict(one) for one in completions]),
  ):
    text = json.dumps(values, indent=2, ensure_ascii=False)
    (directory / file).write_text(text + '\n', encoding='utf-8')
  (directory / REPORT_FILE).write_text(
      render(metrics, completions, name), encoding='utf-8'
  )


def text_table(directory: str | os.PathLike[str]) -> str:
  """Returns the figures as lines for a terminal.

  Args:
    directory: where `save` wrote them.
  """
  path = pathlib.Path(directory) / METRICS_FILE
  metrics = json.loads(path.read_text(encoding='utf-8'))
  width = max(map(len, metrics))
  return '\n'.join(
      f'{name.ljust(width)}  {value:10.4f}' for name, value in metrics.items()
  )


def render(
    metrics: Mapping[str, float],
    completions: Sequence[Mapping[str, str]],
    name: str,
) -> str:
  """Returns the page's HTML; see `save`."""
  told = [
      [one['prompt'], one['completion'], one['answer']] for one in completions
  ]
  sections = [
      page.Section(
          'Perplexity of Semantic IDs',
          page.card(page.figure('levels', _levels(metrics))),
          'Of the next item in validation, level by level, given its history.',
      ),
      page.Section(
          'Figures',
          page.card(page.table(['', 'held out', 'trained on'], _rows(metrics))),
          'Held out: items whose sentences were never trained on. cosine@10: '
          'of the items found with the right one, beside its ten nearest '
          'neighbours in the embedding space and all items.',
      ),
      page.Section(
          'Completions',
          page.card(
              page.table(['prompt', 'completion', 'true'], told, wide=(0, 1, 2))
          ),
          'Sentences about items that were held out, after some that are '
          'complete; the most probable token each time.',
      ),
  ]
  return page.page(f'PLUM-JAX · {name} · pre-training', '', sections)


def _rows(metrics: Mapping[str, float]) -> list[list[str]]:
  """Returns a row for each figure, held-out and trained ones side by side."""
  rows: dict[str, dict[str, str]] = {}
  for key, value in metrics.items():
    task, split, name = _parts(key)
    rows.setdefault(f'{task} {name}'.strip(), {})[split] = f'{value:.4f}'
  return [
      [name, of_splits.get(_HELD_OUT, '–'), of_splits.get(_TRAINED, '–')]
      for name, of_splits in rows.items()
  ]


def _parts(key: str) -> tuple[str, str, str]:
  """Splits `cpt/<task>/<split>/<name>`; other figures are of held-out data."""
  parts = key.removeprefix('cpt/').split('/')
  if len(parts) == 3:
    return parts[0], parts[1], parts[2]
  return '', _HELD_OUT, ' '.join(parts)


def _levels(metrics: Mapping[str, float]) -> go.Figure:
  """Draws a bar for each level."""
  found = {
      key.removeprefix(_LEVEL): value
      for key, value in metrics.items()
      if key.startswith(_LEVEL)
  }
  figure = go.Figure(
      go.Bar(
          x=[f'level {level}' for level in found],
          y=list(found.values()),
          marker={'color': figures.colour(0)},
          hovertemplate='%{y:.2f}<extra></extra>',
      ),
      figures.layout(height=260, showlegend=False),
  )
  figure.update_yaxes(title='perplexity', type='log')
  return figure
