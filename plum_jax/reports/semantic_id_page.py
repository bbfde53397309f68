# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The page of the quality report of Semantic IDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plum_jax.reports import page
from plum_jax.reports import semantic_id_figures
from plum_jax.reports import semantic_id_tables
from plum_jax.reports import sid_tree
from plum_jax.semantic_ids.quality.comparison import Comparison
from plum_jax.semantic_ids.quality.comparison import TableQuality
from plum_jax.semantic_ids.quality.warning_rules import QualityWarning

_CATALOG = 'Catalog'
_DEFINITIONS = (
    (
        'Codes per level',
        'As the table states them. "Seen": a file of codes alone does not, and '
        'the largest code of the level + 1 stands for them.',
    ),
    (
        'Cosine',
        'Mean over all pairs of items that share their first codes, in the '
        'embeddings of this run, for every table. The ranking paper (arXiv '
        '2306.08121) has 0.41, 0.68, 0.91 and 0.97 for 1 to 4 codes of its '
        'video embeddings.',
    ),
    (
        'Purity',
        'Of the items that share their first codes with another item, the '
        'share that has the most frequent category of their sub-tree. By '
        'chance: the same with the categories dealt out anew. "General" is '
        'the first part of the category path that does not hold for nearly '
        'all items, "specific" the whole path.',
    ),
    (
        'Neighbours',
        'Share of the pairs of neighbouring items in training windows that '
        'share their first codes. By chance: random pairs of the same items, '
        'each as frequent as in the histories. More and smaller sub-trees '
        'have a higher lift, so compare it at equal numbers of sub-trees.',
    ),
    (
        'Adjusted Rand index',
        'Of the groups of items that share their first codes: 1 if two tables '
        'have the same groups, about 0 by chance, whatever the codes are '
        'called (Hubert and Arabie, 1985).',
    ),
    (
        'Typical words',
        'Of titles and categories: those that surprisingly many items of the '
        'branch have, by the log-likelihood ratio against all other items '
        '(Dunning, 1993).',
    ),
    (
        'Reconstruction error',
        'As the stage semantic_ids measured it; a dash for tables without a '
        'tokenizer. Errors of tokenizers of different embeddings do not '
        'compare.',
    ),
)


def render(
    name: str,
    comparison: Comparison,
    warnings: Mapping[str, Sequence[QualityWarning]],
    nodes: Mapping[str, Sequence[sid_tree.Node]],
    titles: Sequence[str],
    num_branches: int,
) -> str:
  """Returns the page's HTML.

  Args:
    name: of the run.
    comparison: the figures.
    warnings: by table name; those of the catalog under the empty name.
    nodes: the tree of each table, by name.
    titles: [num_items].
    num_branches: first-level branches to list.
  """
  sections = [
      _warnings(warnings),
      page.Section(
          'At a glance', page.card(semantic_id_tables.glance(comparison))
      ),
      _hierarchy(comparison),
      _meaning(comparison),
      _codebooks(comparison),
      _collisions(comparison, titles),
  ]
  if comparison.stability:
    sections.append(
        page.Section(
            'Stability',
            page.card(semantic_id_tables.stability(comparison)),
            note='Whether two tables group the same items. Numbers of codes '
            'agree by accident alone, unless one table is a copy of the other.',
        )
    )
  sections += [
      _branches(comparison, nodes, num_branches),
      _tree(comparison, nodes),
      _definitions(),
  ]
  title = f'Semantic IDs · {name}'
  return page.page(title, _tiles(comparison, warnings), sections)


def _tiles(
    comparison: Comparison, warnings: Mapping[str, Sequence[QualityWarning]]
) -> str:
  """Writes the figures of the first table that are seen first."""
  first = comparison.tables[0]
  tiles = [
      (f'{comparison.num_items:,}', 'items'),
      (
          semantic_id_tables.percent(first.collisions.uniqueness),
          'distinct code tuples per item',
      ),
      (f'{first.collisions.largest_group:,}', 'items in the largest collision'),
  ]
  for name, cosine in first.prefixes[1].cosines.items():
    random = first.prefixes[0].cosines[name]
    if cosine is not None and random is not None:
      tiles.append(
          (
              f'{cosine:.2f}',
              f'cosine of items with one first code, {name} ({random:.2f} of '
              'any two)',
          )
      )
  tiles.append((str(sum(map(len, warnings.values()))), 'warnings'))
  cards = ''.join(
      f'<div class="card tile"><b>{page.escape(value)}</b>'
      f'<span>{page.escape(text)}</span></div>'
      for value, text in tiles
  )
  others = ', '.join(table.name for table in comparison.tables[1:])
  lead = first.name + (f', beside {others}' if others else '')
  return f'<p>{page.escape(lead)}</p><div class="tiles">{cards}</div>'


def _warnings(
    warnings: Mapping[str, Sequence[QualityWarning]],
) -> page.Section:
  cards = []
  for name, found in warnings.items():
    for warning in found:
      chips = ' '.join(
          f'<span class="chip">{page.escape(switch)}</span>'
          for switch in warning.switches
      )
      cards.append(
          f'<div class="card warning"><h3>{page.escape(name or _CATALOG)}</h3>'
          f'<p>{page.escape(warning.finding)}</p>'
          f'<p class="advice">{page.escape(warning.advice)}</p>{chips}</div>'
      )
  return page.Section(
      'Warnings',
      ''.join(cards) or page.card('<p>None.</p>'),
      note='What is wrong, and the switches (macros of gin/runs/'
      'semantic_ids.gin) that may help. Thresholds are our choice.',
  )


def _charts(charts: Sequence[semantic_id_figures.Chart]) -> str:
  cards = ''.join(
      page.card(page.figure(chart.name, chart.figure), chart.title)
      for chart in charts
  )
  return f'<div class="charts">{cards}</div>' if cards else ''


def _each(comparison: Comparison, write) -> str:
  """Writes a card for each table."""
  return ''.join(
      page.card(write(table), table.name) for table in comparison.tables
  )


def _hierarchy(comparison: Comparison) -> page.Section:
  return page.Section(
      'Items that share their first codes',
      _charts(semantic_id_figures.hierarchy_charts(comparison))
      + _each(comparison, semantic_id_tables.hierarchy),
      note='In a hierarchy, items that share more codes are more alike. '
      'Sub-trees say how far each code narrows the catalog down.',
  )


def _meaning(comparison: Comparison) -> page.Section:
  return page.Section(
      'Categories and co-occurrence',
      _charts(semantic_id_figures.meaning_charts(comparison))
      + _each(comparison, semantic_id_tables.meaning),
      note=f'{comparison.num_neighbour_pairs:,} pairs of neighbouring items, '
      'of training windows alone.',
  )


def _codebooks(comparison: Comparison) -> page.Section:
  return page.Section(
      'Codebooks',
      _charts(semantic_id_figures.codebook_charts(comparison))
      + _each(comparison, semantic_id_tables.codebooks),
      note='Perplexity: how many codes are used, in effect.',
  )


def _collisions(comparison: Comparison, titles: Sequence[str]) -> page.Section:
  def write(table: TableQuality) -> str:
    if not table.worst_collisions:
      return '<p>No two items have the same codes.</p>'
    return (
        semantic_id_tables.collision_sizes(table)
        + '<br>'
        + page.folded(
            'The largest, with titles',
            semantic_id_tables.worst_collisions(table, titles),
            is_open=table is comparison.tables[0],
        )
    )

  note = f'{comparison.equal_texts.num_items:,} items have the same text as '
  note += 'another item'
  if comparison.equal_embeddings is not None:
    note += (
        f', {comparison.equal_embeddings.num_items:,} the same embedding: '
        'those no tokenizer can part'
    )
  return page.Section(
      'Collisions',
      _each(comparison, write),
      note='Items with the same codes, before collisions are resolved. '
      f'{note}.',
  )


def _branches(
    comparison: Comparison,
    nodes: Mapping[str, Sequence[sid_tree.Node]],
    num_branches: int,
) -> page.Section:
  parts = []
  for table in comparison.tables:
    first = [
        node
        for node in nodes[table.name]
        if node.item is None and len(node.codes) == 1
    ]
    first.sort(key=lambda node: -node.num_items)
    parts.append(
        page.card(
            page.folded(
                table.name,
                semantic_id_tables.branches(
                    first[:num_branches], comparison.num_items
                ),
                is_open=table is comparison.tables[0],
            )
        )
    )
  return page.Section(
      'The largest branches',
      ''.join(parts),
      note='Items with the same first code, what their titles and categories '
      'have in common, and the most popular of them.',
  )


def _tree(
    comparison: Comparison, nodes: Mapping[str, Sequence[sid_tree.Node]]
) -> page.Section:
  parts = [
      page.card(
          page.folded(
              table.name,
              page.figure(
                  f'sid-tree-{number}', sid_tree.tree_figure(nodes[table.name])
              ),
              is_open=number == 0,
          )
      )
      for number, table in enumerate(comparison.tables)
  ]
  return page.Section(
      'The tree of Semantic IDs',
      ''.join(parts),
      note='Items under one box share their first codes; click to go in. '
      'A box names its code, and the categories and words that set it apart; '
      'the largest branches and the most popular items are shown.',
  )


def _definitions() -> page.Section:
  items = ''.join(
      f'<li><b>{page.escape(term)}.</b> {page.escape(text)}</li>'
      for term, text in _DEFINITIONS
  )
  return page.Section('How it is counted', page.card(f'<ol>{items}</ol>'))
