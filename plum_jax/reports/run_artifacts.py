# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a run has left on disk, as far as a report needs it."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.evaluation import results
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import sid_table
from plum_jax.training import metric_writers

CATALOG, EVALUATION, SEMANTIC_IDS = 'catalog', 'evaluation', 'semantic_ids'
_LOG = 'metrics.jsonl'


@dataclasses.dataclass(frozen=True)
class RunArtifacts:
  """The finished stages of a run.

  Attributes:
    name: the run directory's name.
    catalog: items and interactions.
    results: of the evaluation.
    sid_table: the Semantic IDs; None if the run made none.
    sid_quality: figures of `quality.json`; empty if the run made none.
    logs: by stage, the lines of its `metrics.jsonl`, where it has one.
    manifests: by stage.
  """

  name: str
  catalog: Catalog
  results: results.SavedResults
  sid_table: sid_table.SidTable | None
  sid_quality: Mapping[str, Any]
  logs: Mapping[str, list[dict[str, float | None]]]
  manifests: Mapping[str, manifest.Manifest]

  @property
  def num_interactions_of_items(self) -> np.ndarray:
    """How many interactions each item has, int64 [num_items]."""
    histories = self.catalog.histories
    return np.bincount(histories.item_ids, minlength=histories.num_items)


def load(run_directory: str | os.PathLike[str]) -> RunArtifacts:
  """Reads the finished stages of a run.

  Args:
    run_directory: with a folder for each stage.

  Returns:
    The artifacts. Stages beyond catalog and evaluation are optional: a run
    of baselines alone has no Semantic IDs.

  Raises:
    InputError: catalog or evaluation is missing, a file cannot be read, or the
      evaluation or the SID table is not of this catalog.
  """
  run = pathlib.Path(run_directory)
  manifests = {}
  for path in sorted(run.glob(f'*/{manifest.FILE_NAME}')):
    found = manifest.load(path.parent)
    if found is not None:
      manifests[path.parent.name] = found
  for name in (CATALOG, EVALUATION):
    if name not in manifests:
      raise InputError(
          f'The run has no finished stage {name}.',
          where=run / name,
          expected=f'a folder with {manifest.FILE_NAME}',
          fix=f'Run the stage {name} first, or correct the run directory.',
      )
  catalog = Catalog.load(run / CATALOG)
  table, quality = None, {}
  if SEMANTIC_IDS in manifests:
    table = sid_table.load(run / SEMANTIC_IDS / semantic_ids.TABLE_FILE)
    quality = _read_json(run / SEMANTIC_IDS / semantic_ids.QUALITY_FILE)
    if table.item_ids.to_pylist() != catalog.item_ids:
      raise InputError(
          'The SID table is not of this catalog.',
          where=run / SEMANTIC_IDS / semantic_ids.TABLE_FILE,
          expected=f'the {catalog.num_items} items of {run / CATALOG}',
          fix='Run assign_semantic_ids, which keeps the SIDs of old items, or '
          'semantic_ids.',
      )
  return RunArtifacts(
      name=run.resolve().name,
      catalog=catalog,
      results=results.load_results(run / EVALUATION),
      sid_table=table,
      sid_quality=quality,
      logs={
          name: metric_writers.read(run / name / _LOG)
          for name in manifests
          if (run / name / _LOG).exists()
      },
      manifests=manifests,
  )


def _read_json(path: pathlib.Path) -> Any:
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except (OSError, ValueError) as error:
    raise InputError(
        f'The file cannot be read: {error}',
        where=path,
        expected='the JSON object that its stage writes',
        fix='Run the stage again.',
    ) from error
