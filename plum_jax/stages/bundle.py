# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A run's artifacts as one bundle that can be served."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib

import pyarrow.parquet as pq

from plum_jax.artifacts import stage
from plum_jax.data.task_description import describe
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import Strategy
from plum_jax.models import saved
from plum_jax.semantic_ids import catalog_items
from plum_jax.serving import bundle as bundles
from plum_jax.serving import parts as parts_lib
from plum_jax.serving import prompt_format
from plum_jax.serving.bundle import SearchSettings
from plum_jax.serving.parts import Parts
from plum_jax.stages import train
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    task: str,
    task_feature_lengths: Mapping[str, int],
    beam_size: int,
    exclude_history: bool,
    decoding: Strategy = BEAM_SEARCH,
) -> None:
  """Writes `bundle/` from the artifacts of all earlier stages.

  Args:
    run_dir: the run directory.
    task: the registered task whose prompts the generator continues; see
      `serving.prompt_format.from_task` for those that can be served.
    task_feature_lengths: tokens by task feature.
    beam_size: beams of the search, and the most items of an answer.
    exclude_history: whether items of the history are left out unless a request
      says otherwise.
    decoding: how the generator chooses items.

  Raises:
    InputError: an artifact is missing, or was made with another one than that
      in the run directory; task or decoding cannot be served.
  """
  folders = RunDirectory(run_dir)
  description = describe(task)
  bundles.check_strategy(decoding)
  sources = Parts(
      semantic_ids=folders.semantic_ids,
      vocabulary=folders.vocabulary,
      generator=folders.training,
      items=folders.catalog / catalog_items.ITEMS_FILE,
      item_encoder=folders.item_embeddings,
  )
  inputs = {
      'items': sources.items,
      'semantic_ids': sources.semantic_ids,
      'vocabulary': sources.vocabulary,
      'training': sources.generator,
  }
  item_ids = catalog_items.read_item_ids(sources.items)
  table, _ = parts_lib.check(sources, item_ids)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    model, params, _ = train.load(run_dir)
    bundles.write(
        directory,
        sources,
        items=pq.read_table(sources.items, columns=['item_id', 'title']),
        model=model,
        params=params,
        prompt=prompt_format.from_task(
            description,
            task_feature_lengths,
            saved.kind(model),
            len(table.level_sizes),
        ),
        search=SearchSettings(beam_size, exclude_history, decoding),
    )

  stage.run(
      'bundle',
      folders.bundle,
      make,
      inputs=inputs,
      parameters={
          'task': description,
          'task_feature_lengths': dict(task_feature_lengths),
          **SearchSettings(beam_size, exclude_history, decoding).to_json(),
      },
  )
