# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Embeddings to Semantic IDs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from plum_jax.semantic_ids import build
from plum_jax.semantic_ids.build import SemanticIdsConfig
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    config: SemanticIdsConfig,
    seed: int,
    split: str = 'leave_one_out',
    split_options: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `semantic_ids/` from `catalog/` and `item_embeddings/`.

  Args:
    run_dir: the run directory.
    config: the tokenizer and how it is trained.
    seed: of all that is random.
    split: `leave_one_out` or `by_time`; a contrastive loss learns from its
      training windows alone.
    split_options: keyword arguments of the split; see `catalog.splits`.
    mesh: the devices; one if None.

  Raises:
    InputError: see `semantic_ids.build.build`.
  """
  folders = RunDirectory(run_dir)
  build.build(
      folders.semantic_ids,
      catalog_directory=folders.catalog,
      embeddings_directory=folders.item_embeddings,
      config=config,
      seed=seed,
      split=split,
      split_options=split_options,
      mesh=mesh,
  )
