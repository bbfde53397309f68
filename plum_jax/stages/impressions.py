# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Logged impressions, or ratings in their place, to what rankers read."""

from __future__ import annotations

from plum_jax.catalog import build_impressions
from plum_jax.catalog.sources.impression_source import ImpressionSource
from plum_jax.stages.run_directory import RunDirectory


def run(run_dir: str, source: ImpressionSource) -> None:
  """Writes `impressions/` for the items of `catalog/`.

  Args:
    run_dir: the run directory.
    source: where the impressions come from.

  Raises:
    InputError: see `catalog.build_impressions.build`.
  """
  folders = RunDirectory(run_dir)
  build_impressions.build(
      folders.impressions, catalog_directory=folders.catalog, source=source
  )
