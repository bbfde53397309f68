# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The baseline of rating prediction: biased matrix factorization."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import jax

from plum_jax.baselines import build_biased_mf
from plum_jax.baselines.build_biased_mf import BiasedMfTraining
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    config: BiasedMfTraining,
    split: str,
    split_options: Mapping[str, Any],
    seed: int,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `biased_mf/` from `catalog/`.

  Args:
    run_dir: the run directory.
    config: how to train; its split is replaced by the next two.
    split: `leave_one_out` or `by_time`.
    split_options: keyword arguments of the split; see `catalog.splits`.
    seed: of parameters and order.
    mesh: the devices; all if None.

  Raises:
    InputError: see `baselines.build_biased_mf.build`.
  """
  folders = RunDirectory(run_dir)
  build_biased_mf.build(
      folders.biased_mf,
      catalog_directory=folders.catalog,
      config=dataclasses.replace(
          config, split=split, split_options=dict(split_options)
      ),
      seed=seed,
      mesh=mesh,
  )
