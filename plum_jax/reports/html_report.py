# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The report of a run: one HTML file, made from recorded metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib

from plum_jax.artifacts import atomic
from plum_jax.reports import figures
from plum_jax.reports import model_figures
from plum_jax.reports import page
from plum_jax.reports import results_table
from plum_jax.reports import run_artifacts
from plum_jax.reports import sample_users
from plum_jax.reports import semantic_id_report
from plum_jax.reports import sid_tree
from plum_jax.reports import sid_words
from plum_jax.reports.run_artifacts import RunArtifacts

FILE_NAME = 'report.html'
_HASH_DIGITS = 12
_SEMANTIC_ID_REPORT = 'semantic_id_report'


@dataclasses.dataclass(frozen=True)
class ReportConfig:
  """What the report shows.

  Attributes:
    num_users: users whose recommendations are shown.
    max_branches: branches of the SID tree; the largest are kept.
    max_items: items of the SID tree; the most popular are kept.
  """

  num_users: int = 10
  max_branches: int = 1_500
  max_items: int = 3_000


def build(
    run_directory: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    config: ReportConfig = ReportConfig(),
) -> pathlib.Path:
  """Writes the report of a run.

  Args:
    run_directory: with a folder for each finished stage.
    output: the file; `report.html` in the run directory if None.
    config: what to show.

  Returns:
    The file's path.

  Raises:
    InputError: a stage is missing, or cannot be read.
  """
  run = run_artifacts.load(run_directory)
  path = pathlib.Path(output or pathlib.Path(run_directory) / FILE_NAME)
  with atomic.write_file(path) as temporary:
    temporary.write_text(render(run, config), encoding='utf-8')
  return path


def render(run: RunArtifacts, config: ReportConfig = ReportConfig()) -> str:
  """Returns the report's HTML.

  Args:
    run: the finished stages.
    config: what to show.
  """
  sections = [_results(run), _models(run)]
  curves = _curves(run)
  if curves:
    sections.append(page.Section('Training', curves))
  if run.sid_table is not None:
    sections.append(_tree(run, config))
    sections.append(_sid_quality(run))
  sections.append(_users(run, config))
  sections.append(_configuration(run))
  return page.page(f'PLUM-JAX · {run.name}', _tiles(run), sections)


def _tiles(run: RunArtifacts) -> str:
  """Writes the figures that are seen first."""
  histories = run.catalog.histories
  tiles = [
      (f'{run.catalog.num_items:,}', 'items'),
      (f'{histories.num_users:,}', 'users'),
      (f'{run.catalog.num_interactions:,}', 'interactions'),
  ]
  metric = results_table.shown_metrics(run.results)
  main = 'retrieval/recall@10'
  main = main if main in metric else metric[0]
  label = results_table.metric_label(main)
  tiles += [
      (results_table.format_metric(row.metrics[main]), f'{label}, {row.label}')
      for row in results_table.main_rows(run.results)[:3]
      if main in row.metrics
  ]
  uniqueness = run.sid_quality.get('semantic_ids/uniqueness')
  if uniqueness is not None:
    tiles.append((f'{uniqueness:.1%}', 'of Semantic IDs are unique'))
  return (
      '<div class="tiles">'
      + ''.join(
          f'<div class="card tile"><b>{page.escape(value)}</b>'
          f'<span>{page.escape(name)}</span></div>'
          for value, name in tiles
      )
      + '</div>'
  )


def _results(run: RunArtifacts) -> page.Section:
  metrics = results_table.shown_metrics(run.results)
  rows = results_table.rows(run.results)
  cells = [
      [
          row.label,
          'masked' if row.exclude_history else 'kept',
          *(
              results_table.format_metric(row.metrics.get(metric))
              for metric in metrics
          ),
      ]
      for row in rows
  ]
  best = [
      (row, column + 2)
      for row, column in results_table.best_cells(rows, metrics)
  ]
  header = ['', 'History', *map(results_table.metric_label, metrics)]
  return page.Section(
      'Results',
      page.card(page.table(header, cells, best)),
      note=results_table.protocol_line(run.results, run.manifests),
  )


def _models(run: RunArtifacts) -> page.Section:
  """Writes what each model shows, knows and costs."""
  k = results_table.main_cut_off(run.results)
  rows = [
      [row.label, *model_figures.cells(row, k)]
      for row in results_table.main_rows(run.results)
  ]
  charts = [
      page.card(page.figure(name, drawn), title)
      for name, title, drawn in (
          (
              'recall-by-popularity',
              f'Recall@{k} by popularity of the target',
              model_figures.popularity_figure(run.results),
          ),
          (
              'impressions',
              f'Share of all that is shown (first {k})',
              model_figures.impressions_figure(run.results),
          ),
      )
      if drawn is not None
  ]
  return page.Section(
      'What the models show and cost',
      page.card(page.table(['', *model_figures.header(k)], rows))
      + f'<div class="charts">{"".join(charts)}</div>',
      note='Effective vocabulary: the fewest items that cover 95 % of what is '
      'shown. Deciles of popularity hold a tenth of the training interactions '
      'each, the first the most popular items. Cold-start items were first '
      'seen after the training window; a dash means that no target is one. '
      'Targets: predicted tokens of a generator, items of the others.',
  )


def _curves(run: RunArtifacts) -> str:
  charts = []
  for stage, log in run.logs.items():
    drawn = figures.loss_figure(log)
    if drawn is not None:
      charts.append(
          page.card(page.figure(f'loss-{stage}', drawn), f'Loss of {stage}')
      )
  recall = figures.recall_figure(run.logs)
  if recall is not None:
    charts.append(
        page.card(page.figure('recall', recall), 'Recall@10 on validation')
    )
  return f'<div class="charts">{"".join(charts)}</div>' if charts else ''


def _tree(run: RunArtifacts, config: ReportConfig) -> page.Section:
  assert run.sid_table is not None
  nodes = sid_tree.make_nodes(
      run.sid_table.codes,
      run.sid_table.full_codes,
      run.catalog.titles,
      run.catalog.items['categories'],
      run.num_interactions_of_items,
      config.max_branches,
      config.max_items,
      sid_words.item_words(
          run.catalog.items['title'], run.catalog.items['categories']
      ),
  )
  branches = sum(node.item is None for node in nodes)
  return page.Section(
      'The tree of Semantic IDs',
      page.card(page.figure('sid-tree', sid_tree.tree_figure(nodes))),
      note='Items under one box share their first codes; click to go in. '
      f'Shown: the {branches:,} largest branches and the '
      f'{len(nodes) - branches:,} most popular items in them. A box names its '
      'code and the categories and words that set it apart.',
  )


def _sid_quality(run: RunArtifacts) -> page.Section:
  """Writes one table for the whole and one by level."""
  quality = {
      key.removeprefix('semantic_ids/'): value
      for key, value in run.sid_quality.items()
  }
  assert run.sid_table is not None
  modalities = [
      key.partition('/')[2]
      for key in quality
      if key.startswith('cosine_level_0/')
  ]
  header = ['Level', 'Codes', 'Used', 'Perplexity', 'Reconstruction error']
  header += [f'Cosine, {name}' for name in modalities]
  rows = []
  for level in range(run.sid_table.num_levels + 1):
    cosines = [
        _number(quality.get(f'cosine_level_{level}/{name}'))
        for name in modalities
    ]
    if level == 0:
      rows.append(['all items', '', '', '', '', *cosines])
      continue
    rows.append(
        [
            str(level),
            f'{run.sid_table.codebook_sizes[level - 1]:,}',
            _percent(quality.get(f'usage_level_{level}')),
            _number(quality.get(f'perplexity_level_{level}'), 1),
            _number(quality.get(f'reconstruction_error_level_{level}')),
            *cosines,
        ]
    )
  whole = [
      ('Distinct code tuples per item', _percent(quality.get('uniqueness'))),
      (
          'Items whose codes no other item has',
          _percent(quality.get('items_without_collision')),
      ),
      (
          'Most items on one code tuple',
          _number(quality.get('largest_collision_group'), 0),
      ),
      ('Reconstruction error', _number(quality.get('reconstruction_error'))),
  ]
  return page.Section(
      'Quality of the Semantic IDs',
      page.card(page.table(header, rows))
      + _link_to_more(run)
      + page.card(page.table(['Before collisions are resolved', ''], whole)),
      note='Cosine: mean over all pairs of items that share their first codes '
      'up to this level, in the embedding that the codes were made from.',
  )


def _link_to_more(run: RunArtifacts) -> str:
  """Leads to the page of the stage semantic_id_report, if it has run."""
  if _SEMANTIC_ID_REPORT not in run.manifests:
    return ''
  return (
      f'<p><a href="{_SEMANTIC_ID_REPORT}/{semantic_id_report.REPORT_FILE}">'
      'More: collisions with titles, categories, words, other tables</a></p>'
  )


def _number(value: float | None, digits: int = 4) -> str:
  return '–' if value is None else f'{value:,.{digits}f}'


def _percent(value: float | None) -> str:
  return '–' if value is None else f'{value:.1%}'


def _users(run: RunArtifacts, config: ReportConfig) -> page.Section:
  sids = {}
  users = sample_users.sample(run.results, config.num_users)
  shown = {
      item
      for rows in users
      for row in rows
      for key in ('history_item_ids', 'target_item_ids', 'item_ids')
      for item in row[key]
  }
  shown = sorted(shown)
  numbers = run.catalog.item_numbers(shown)
  titles = run.catalog.items['title'].take(numbers).to_pylist()
  if run.sid_table is not None:
    sids = dict(
        zip(shown, run.sid_table.full_codes[numbers].tolist(), strict=True)
    )
  items = sample_users.ItemText(dict(zip(shown, titles, strict=True)), sids)
  return page.Section(
      'Recommendations beside histories',
      sample_users.cards(users, items),
      note='Users at even distances through the data, none picked for the '
      'result. What the user then chose is marked where it was recommended.',
  )


def _configuration(run: RunArtifacts) -> page.Section:
  parts = []
  for stage, made in run.manifests.items():
    values: Mapping[str, object] = {
        'seed': made.seed,
        'parameters': made.parameters,
        'inputs': {
            role: digest[:_HASH_DIGITS] for role, digest in made.inputs.items()
        },
        'outputs': made.outputs[:_HASH_DIGITS],
        'versions': made.versions,
    }
    text = page.escape(json.dumps(values, indent=2, ensure_ascii=False))
    parts.append(
        f'<details><summary>{page.escape(stage)}</summary><pre>{text}</pre>'
        '</details>'
    )
  return page.Section(
      'Configuration',
      page.card(''.join(parts)),
      note='From the manifest of each stage; content hashes are shortened.',
  )
