# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Histories and SIDs to files that SeqIO reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plum_jax.data import build
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    split: str,
    split_options: Mapping[str, Any],
    seed: int,
    reward: str = '',
) -> None:
  """Writes `tasks/` from `catalog/` and `semantic_ids/`.

  Args:
    run_dir: the run directory.
    split: `leave_one_out` or `by_time`.
    split_options: keyword arguments of the split; see `catalog.splits`.
    seed: of the order of the records.
    reward: what an interaction is worth; see `data.rewards.with_rewards`.

  Raises:
    InputError: see `data.build.build`.
  """
  folders = RunDirectory(run_dir)
  build.build(
      folders.tasks,
      catalog_directory=folders.catalog,
      semantic_ids_directory=folders.semantic_ids,
      split=split,
      split_options=split_options,
      reward=reward,
      seed=seed,
  )
