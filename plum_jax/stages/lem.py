# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The large embedding model (LEM)."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import jax

from plum_jax.baselines import build_lem
from plum_jax.baselines.build_lem import LemTraining
from plum_jax.catalog.catalog import Catalog
from plum_jax.stages import training_cost
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    config: LemTraining,
    num_steps: int,
    equal_flops: bool,
    split: str,
    split_options: Mapping[str, Any],
    seed: int,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `lem/` from `catalog/`.

  Args:
    run_dir: the run directory.
    config: how to train; its steps and split are replaced by what follows.
    num_steps: the step at which training ends.
    equal_flops: whether training ends instead at the step that comes nearest to
      the training FLOPs of the generator in `training/`.
    split: `leave_one_out` or `by_time`.
    split_options: keyword arguments of the split; see `catalog.splits`.
    seed: of parameters, dropout, negatives and order.
    mesh: the devices; all if None.

  Raises:
    InputError: `training/` is needed and not there; see
      `baselines.build_lem.build`.
  """
  folders = RunDirectory(run_dir)
  config = dataclasses.replace(
      config,
      num_steps=num_steps,
      split=split,
      split_options=dict(split_options),
  )
  if equal_flops:
    num_items = Catalog.load(folders.catalog).num_items
    config = training_cost.equal_flops(config, folders.training, num_items)
  build_lem.build(
      folders.lem,
      catalog_directory=folders.catalog,
      config=config,
      seed=seed,
      mesh=mesh,
      equal_flops_to=folders.training if equal_flops else None,
  )
