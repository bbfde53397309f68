# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generated world, to study ranking in."""

from __future__ import annotations

import dataclasses

from plum_jax.catalog import generated_files
from plum_jax.catalog.generated_world import GeneratedWorld
from plum_jax.stages.run_directory import RunDirectory


def run(run_dir: str, config: GeneratedWorld, seed: int) -> None:
  """Writes `generated_world/`: items, clicks, impressions, content.

  Args:
    run_dir: the run directory.
    config: the world; its seed is replaced by the next argument.
    seed: of everything.

  Raises:
    InputError: the disk refuses.
  """
  generated_files.build(
      RunDirectory(run_dir).generated_world,
      config=dataclasses.replace(config, seed=seed),
  )
