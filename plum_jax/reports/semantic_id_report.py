# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The quality report of Semantic IDs: one JSON file and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.splits import Split
from plum_jax.reports import semantic_id_page
from plum_jax.reports import sid_tree
from plum_jax.reports import sid_words
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import comparison
from plum_jax.semantic_ids.quality import warning_rules
from plum_jax.semantic_ids.quality.compared_tables import ComparedTable
from plum_jax.semantic_ids.quality.comparison import Comparison
from plum_jax.semantic_ids.quality.warning_rules import QualityWarning

QUALITY_FILE = 'quality.json'
REPORT_FILE = 'report.html'
# Of a group that holds half the catalog nobody reads all.
_LISTED_ITEMS = 100


@dataclasses.dataclass(frozen=True)
class SemanticIdReportConfig:
  """What the report shows.

  Attributes:
    num_collisions: of the largest collisions, how many are listed.
    num_branches: of the largest first-level branches, how many are listed.
    max_branches: branches of the tree; the largest are kept.
    max_items: items of the tree; the most popular are kept.
    seed: of the shuffle that purity is compared with.
  """

  num_collisions: int = 20
  num_branches: int = 20
  max_branches: int = 1_500
  max_items: int = 6_000
  seed: int = 0


def build(
    directory: str | os.PathLike[str],
    *,
    name: str,
    catalog: Catalog,
    split: Split,
    tables: Sequence[ComparedTable],
    embeddings: inputs.TokenizerInputs | None,
    config: SemanticIdReportConfig = SemanticIdReportConfig(),
) -> None:
  """Writes `quality.json` and `report.html`.

  Args:
    directory: an existing folder.
    name: of the run.
    catalog: items and interactions.
    split: its training windows are the ones that co-occurrence is read from.
    tables: the tables to compare, the main one first, with different names.
    embeddings: of the catalog's items; None if there are none.
    config: what to show.
  """
  directory = pathlib.Path(directory)
  compared = comparison.compare(
      tables,
      items=catalog.items,
      histories=catalog.histories,
      split=split,
      embeddings=embeddings,
      num_worst_collisions=config.num_collisions,
      seed=config.seed,
  )
  warnings = {
      '': warning_rules.of_catalog(compared),
      **{
          table.name: warning_rules.of_table(compared, table)
          for table in compared.tables
      },
  }
  nodes = _trees(catalog, tables, config)
  values = to_json(compared, warnings, catalog.item_ids)
  with atomic.write_file(directory / QUALITY_FILE) as temporary:
    temporary.write_text(
        json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
        + '\n',
        encoding='utf-8',
    )
  html = semantic_id_page.render(
      name, compared, warnings, nodes, catalog.titles, config.num_branches
  )
  with atomic.write_file(directory / REPORT_FILE) as temporary:
    temporary.write_text(html, encoding='utf-8')


def _trees(
    catalog: Catalog,
    tables: Sequence[ComparedTable],
    config: SemanticIdReportConfig,
) -> dict[str, list[sid_tree.Node]]:
  """Makes the tree of each table."""
  items = catalog.items
  words = sid_words.item_words(items['title'], items['categories'])
  popularity = np.bincount(
      catalog.histories.item_ids, minlength=catalog.num_items
  )
  titles = catalog.titles
  return {
      table.name: sid_tree.make_nodes(
          table.full_codes[:, : table.num_levels],
          table.full_codes,
          titles,
          items['categories'],
          popularity,
          config.max_branches,
          config.max_items,
          words,
      )
      for table in tables
  }


def to_json(
    comparison: Comparison,
    warnings: Mapping[str, Sequence[QualityWarning]],
    item_ids: Sequence[str],
) -> dict[str, Any]:
  """Returns the figures as JSON values.

  Args:
    comparison: the figures.
    warnings: by table name; those of the catalog under the empty name.
    item_ids: [num_items].

  Returns:
    The fields of `Comparison`, with `warnings` beside them and in each table,
    and item ids beside the rows of the worst collisions, of which a hundred are
    listed. What is not known is null.
  """
  values: dict[str, Any] = dict(dataclasses.asdict(comparison))
  values['warnings'] = [dataclasses.asdict(w) for w in warnings['']]
  for table in values['tables']:
    table['warnings'] = [
        dataclasses.asdict(warning) for warning in warnings[table['name']]
    ]
    for group in table['worst_collisions']:
      group['num_items'] = len(group['rows'])
      group['rows'] = group['rows'][:_LISTED_ITEMS]
      group['item_ids'] = [item_ids[row] for row in group['rows']]
    for level in table['levels']:
      use = level['use']
      use['dead_codes'] = use['codebook_size'] - use['used']
  return values


def text_summary(values: Mapping[str, Any]) -> str:
  """Writes what the terminal shows, from `quality.json`.

  Args:
    values: of `to_json`.

  Returns:
    A line for each table, and one for each warning.
  """
  lines = []
  for table in values['tables']:
    found = table['collisions']
    cosines = '; '.join(
        f'cosine {name} '
        + ' '.join(
            '-' if p['cosines'][name] is None else f'{p["cosines"][name]:.2f}'
            for p in table['prefixes']
        )
        for name in table['prefixes'][0]['cosines']
    )
    usage = min(level['use']['usage'] for level in table['levels'])
    lines.append(
        f'{table["name"]}: uniqueness {found["uniqueness"]:.2%}, largest '
        f'collision {found["largest_group"]:,}, least used level '
        f'{usage:.1%}{"; " + cosines if cosines else ""}'
    )
  every = [('', warning) for warning in values['warnings']] + [
      (f'{table["name"]}: ', warning)
      for table in values['tables']
      for warning in table['warnings']
  ]
  lines += [
      f'Warning: {name}{warning["finding"]} ({", ".join(warning["switches"])})'
      for name, warning in every
  ]
  return '\n'.join(lines)
