# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables of the quality of Semantic IDs."""

from __future__ import annotations

from collections.abc import Sequence
import math

from plum_jax.reports import page
from plum_jax.reports.sid_tree import Node
from plum_jax.semantic_ids.quality.comparison import Comparison
from plum_jax.semantic_ids.quality.comparison import TableQuality

ABSENT = '–'
_TITLES = 4
_BRANCH_TITLES = 3
_TITLE_WIDTH = 80
_SIZES = 12
_SHARED = {0: 'all pairs', 1: '1 shared code'}


def number(value: float | None, digits: int = 3) -> str:
  """Writes a figure; a dash if there is none.

  >>> number(1234.5, 1), number(None)
  ('1,234.5', '–')
  """
  return ABSENT if value is None else f'{value:,.{digits}f}'


def percent(value: float | None, digits: int = 1) -> str:
  """Writes a share; a dash if there is none.

  >>> percent(0.125), percent(None)
  ('12.5%', '–')
  """
  return ABSENT if value is None else f'{value:.{digits}%}'


def rare(share: float | None) -> str:
  """Writes a share that may be tiny; a dash if there is none.

  >>> rare(0.0821), rare(0.0000012), rare(None)
  ('8.2%', '0.00012%', '–')
  """
  if share is None:
    return ABSENT
  digits = 1 if share == 0 else max(1, 1 - math.floor(math.log10(share * 100)))
  return f'{share * 100:.{digits}f}%'


def glance(comparison: Comparison) -> str:
  """Writes what tells the tables apart at first sight, a column a table."""
  tables = comparison.tables
  rows = [
      ['Codes per level', *(_sizes(table) for table in tables)],
      [
          'Distinct code tuples per item',
          *(percent(table.collisions.uniqueness, 2) for table in tables),
      ],
      [
          'Items whose codes no other item has',
          *(
              percent(table.collisions.items_without_collision, 2)
              for table in tables
          ),
      ],
      [
          'Items in collisions',
          *(f'{table.collisions.num_items:,}' for table in tables),
      ],
      [
          'Largest collision',
          *(f'{table.collisions.largest_group:,}' for table in tables),
      ],
      [
          'Codes changed to resolve collisions',
          *(f'{table.num_moved:,}' for table in tables),
      ],
      [
          'Least used level',
          *(
              percent(min(level.use.usage for level in table.levels))
              for table in tables
          ),
      ],
      [
          'Reconstruction error',
          *(
              number(table.levels[-1].reconstruction_error, 4)
              for table in tables
          ),
      ],
  ]
  for name in tables[0].prefixes[0].cosines:
    for length in range(max(len(table.prefixes) for table in tables)):
      shared = _SHARED.get(length, f'{length} shared codes')
      rows.append(
          [
              f'Cosine of {name}, {shared}',
              *(_cosine(table, name, length) for table in tables),
          ]
      )
  rows.append(
      [
          'Items of the table that the catalog lacks',
          *(f'{table.num_ignored:,}' for table in tables),
      ]
  )
  return page.table(['', *(table.name for table in tables)], rows)


def _cosine(table: TableQuality, name: str, length: int) -> str:
  if length >= len(table.prefixes):
    return ABSENT
  return number(table.prefixes[length].cosines[name])


def _sizes(table: TableQuality) -> str:
  sizes = [level.use.codebook_size for level in table.levels]
  if len(set(sizes)) == 1 and len(sizes) > 1:
    text = f'{len(sizes)} × {sizes[0]:,}'
  else:
    text = ', '.join(f'{size:,}' for size in sizes)
  return text if table.codebook_sizes_known else f'{text} seen'


def hierarchy(table: TableQuality) -> str:
  """Writes sizes of sub-trees and cosines by shared codes."""
  modalities = list(table.prefixes[0].cosines)
  header = ['Shared codes', 'Sub-trees', 'Items: mean', 'Median', 'Largest']
  header += ['Pairs', *(f'Cosine, {name}' for name in modalities)]
  return page.table(
      header,
      [
          [
              str(prefix.length) if prefix.length else '0 (all pairs)',
              f'{prefix.subtrees.num_subtrees:,}',
              number(prefix.subtrees.mean, 2),
              number(prefix.subtrees.median, 1),
              f'{prefix.subtrees.largest:,}',
              f'{prefix.subtrees.pairs:,}',
              *(number(prefix.cosines[name]) for name in modalities),
          ]
          for prefix in table.prefixes
      ],
  )


def meaning(table: TableQuality) -> str:
  """Writes purity and co-occurrence by shared codes, beside chance."""
  kinds = list(table.prefixes[0].purity)
  header = ['Shared codes']
  for kind in kinds:
    header += [f'Purity, {kind}', 'by chance', 'of items']
  header += ['Neighbours', 'by chance', 'Lift']
  rows = []
  for prefix in table.prefixes[1:]:
    row = [str(prefix.length)]
    for kind in kinds:
      found = prefix.purity[kind]
      row += [
          percent(found.share if found else None),
          percent(found.by_chance if found else None),
          f'{found.num_items:,}' if found else ABSENT,
      ]
    shared = prefix.co_occurrence
    row += [
        rare(shared.share if shared else None),
        rare(shared.by_chance if shared else None),
        number(shared.lift if shared else None, 1),
    ]
    rows.append(row)
  return page.table(header, rows)


def codebooks(table: TableQuality) -> str:
  """Writes the use of each level's codes."""
  return page.table(
      ['Level', 'Codes', 'Used', 'Dead', 'Perplexity', 'Reconstruction error'],
      [
          [
              str(number_of_level),
              f'{level.use.codebook_size:,}',
              percent(level.use.usage),
              f'{level.use.dead_codes:,}',
              number(level.use.perplexity, 1),
              number(level.reconstruction_error, 4),
          ]
          for number_of_level, level in enumerate(table.levels, start=1)
      ],
  )


def collision_sizes(table: TableQuality) -> str:
  """Writes how many code tuples have how many items."""
  sizes = table.collisions.sizes
  # The largest are listed one by one below.
  shown = [[f'{size:,}', f'{groups:,}'] for size, groups in sizes[:_SIZES]]
  if len(sizes) > _SIZES:
    rest = sum(groups for _, groups in sizes[_SIZES:])
    shown.append([f'more than {sizes[_SIZES - 1][0]:,}', f'{rest:,}'])
  return page.table(['Items on one code tuple', 'Code tuples'], shown)


def worst_collisions(table: TableQuality, titles: Sequence[str]) -> str:
  """Writes the largest groups of items with the same codes.

  Args:
    table: the figures.
    titles: [num_items].
  """
  header = ['Codes', 'Items', 'Different embeddings', 'Different texts']
  return page.table(
      [*header, 'Titles'],
      [
          [
              ' '.join(map(str, group.codes)),
              f'{len(group.rows):,}',
              ABSENT
              if group.distinct_embeddings is None
              else f'{group.distinct_embeddings:,}',
              f'{group.distinct_texts:,}',
              shown_titles([titles[row] for row in group.rows]),
          ]
          for group in table.worst_collisions
      ],
      wide=[4],
  )


def shown_titles(titles: Sequence[str]) -> str:
  """Puts a few titles into a cell.

  >>> shown_titles(['Heat', '', 'Alien', 'Fargo', 'Jaws'])
  'Heat · (no title) · Alien · Fargo · and 1 more'
  """
  parts = [_shortened(title) for title in titles[:_TITLES]]
  if len(titles) > _TITLES:
    parts.append(f'and {len(titles) - _TITLES:,} more')
  return ' · '.join(parts)


def _shortened(title: str) -> str:
  if len(title) > _TITLE_WIDTH:
    return f'{title[:_TITLE_WIDTH].rstrip()}…'
  return title or '(no title)'


def stability(comparison: Comparison) -> str:
  """Writes how far each two tables agree, a row a prefix length."""
  rows = [
      [
          f'{pair.first} and {pair.second}',
          str(length),
          number(found.adjusted_rand),
          percent(found.identical, 2),
      ]
      for pair in comparison.stability
      for length, found in enumerate(pair.by_length, start=1)
  ]
  header = ['Tables', 'First codes', 'Adjusted Rand index', 'Identical codes']
  return page.table(header, rows)


def branches(nodes: Sequence[Node], num_items: int) -> str:
  """Writes the largest first-level branches, with their words.

  Args:
    nodes: the branches.
    num_items: size of the catalog.
  """
  return page.table(
      [
          'Code',
          'Items',
          'Share',
          'Typical words',
          'Categories',
          'Popular items',
      ],
      [
          [
              str(node.codes[-1]),
              f'{node.num_items:,}',
              percent(node.num_items / num_items),
              ', '.join(node.words) or ABSENT,
              ', '.join(node.categories) or ABSENT,
              ' · '.join(map(_shortened, node.titles[:_BRANCH_TITLES])),
          ]
          for node in nodes
      ],
      wide=[3, 4, 5],
  )
