# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Item content to embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from plum_jax.item_embeddings import build
from plum_jax.item_embeddings.modalities import Modality
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str, modalities: Sequence[Modality], batch_tokens: int
) -> None:
  """Writes `item_embeddings/` from `catalog/`.

  Args:
    run_dir: the run directory.
    modalities: what is embedded, and how.
    batch_tokens: tokens per device and step of the text encoder.

  Raises:
    InputError: see `item_embeddings.build.build`.
  """
  folders = RunDirectory(run_dir)
  build.build(
      folders.item_embeddings,
      catalog_directory=folders.catalog,
      modalities=tuple(modalities),
      batch_tokens=batch_tokens,
  )
