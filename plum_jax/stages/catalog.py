# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Raw interactions to a checked catalog."""

from __future__ import annotations

from plum_jax.catalog import build
from plum_jax.catalog.sources.source import Source
from plum_jax.stages.run_directory import RunDirectory


def run(run_dir: str, source: Source) -> None:
  """Writes `catalog/`.

  Args:
    run_dir: the run directory.
    source: where the data comes from; see `plum_jax.catalog.sources`.

  Raises:
    InputError: see `catalog.build.build`.
  """
  build.build(RunDirectory(run_dir).catalog, source=source)
