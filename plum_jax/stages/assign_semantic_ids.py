# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Semantic IDs for items that came later."""

from __future__ import annotations

import jax

from plum_jax.semantic_ids import add_items
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    previous_semantic_ids: str,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `semantic_ids/` anew, with the items of `catalog/` as it is now.

  Args:
    run_dir: the run directory.
    previous_semantic_ids: the folder with tokenizer and table to start from,
      such as another run's `semantic_ids/`; the run's own if empty.
    mesh: the devices; one if None.

  Raises:
    InputError: see `semantic_ids.add_items.build`.
  """
  folders = RunDirectory(run_dir)
  add_items.build(
      folders.semantic_ids,
      catalog_directory=folders.catalog,
      embeddings_directory=folders.item_embeddings,
      previous_directory=previous_semantic_ids,
      mesh=mesh,
  )
