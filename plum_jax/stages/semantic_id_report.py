# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether Semantic IDs are any good, for one table or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
from typing import Any

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.reports import semantic_id_report
from plum_jax.reports.semantic_id_report import SemanticIdReportConfig
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import compared_tables
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    tables: Sequence[str],
    split: str,
    split_options: Mapping[str, Any],
    config: SemanticIdReportConfig,
) -> None:
  """Writes `semantic_id_report/` and prints a summary.

  Args:
    run_dir: the run directory; needs `catalog/`. Its `semantic_ids/`, if it
      has one, is the first table, and cosines need `item_embeddings/`.
    tables: paths of further tables; see `compared_tables.load`.
    split: `leave_one_out` or `by_time`; co-occurrence is read from training
      windows alone.
    split_options: keyword arguments of the split; see `catalog.splits`.
    config: what to show.

  Raises:
    InputError: there is no table at all, one cannot be read or lacks items of
      the catalog, or the run's table was made from other embeddings.
  """
  folders = RunDirectory(run_dir)
  own = [folders.semantic_ids] if folders.semantic_ids.is_dir() else []
  paths = [*own, *map(pathlib.Path, tables)]
  if not paths:
    raise InputError(
        'There is no SID table to report on.',
        where=folders.semantic_ids,
        expected='the folder of the stage semantic_ids, or paths in SID_TABLES',
        fix='Run the stage semantic_ids first, or set SID_TABLES.',
    )
  sources = {'catalog': folders.catalog}
  if folders.item_embeddings.is_dir():
    sources['item_embeddings'] = folders.item_embeddings
    if own:
      manifest.check_input(
          folders.semantic_ids, 'item_embeddings', folders.item_embeddings
      )
  sources |= {f'table_{n}': path for n, path in enumerate(paths, start=1)}

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    catalog = Catalog.load(folders.catalog)
    item_ids = catalog.items['item_id'].combine_chunks()
    embeddings = None
    if 'item_embeddings' in sources:
      embeddings = inputs.load(folders.item_embeddings)
    semantic_id_report.build(
        directory,
        name=pathlib.Path(run_dir).resolve().name,
        catalog=catalog,
        split=splits.make_split(catalog.histories, split, split_options),
        tables=compared_tables.name_apart(
            [compared_tables.load(path, item_ids) for path in paths]
        ),
        embeddings=embeddings,
        config=config,
    )

  stage.run(
      'semantic_id_report',
      folders.semantic_id_report,
      make,
      inputs=sources,
      parameters={
          'tables': list(map(str, tables)),
          'split': split,
          'split_options': dict(split_options),
          'config': dataclasses.asdict(config),
      },
  )
  written = folders.semantic_id_report / semantic_id_report.QUALITY_FILE
  values = json.loads(written.read_text(encoding='utf-8'))
  print(f'\n{semantic_id_report.text_summary(values)}')
  page = folders.semantic_id_report / semantic_id_report.REPORT_FILE
  print(f'Report: {page}')
