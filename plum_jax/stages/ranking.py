# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A ranker with one kind of item feature, trained and measured."""

from __future__ import annotations

import json
from typing import Any

import jax

from plum_jax.ranking import build
from plum_jax.ranking import data
from plum_jax.ranking.build import RankingConfig
from plum_jax.stages.run_directory import RunDirectory


def load_data(
    run_dir: str, last_train_day: str, test_days: int
) -> data.RankingData:
  """Reads what a run directory has for rankers.

  Args:
    run_dir: the run directory; needs `catalog/` and `impressions/`. Without
      `semantic_ids/` or `item_embeddings/` features made from them are refused.
    last_train_day: see `impression_splits.by_day`.
    test_days: see `impression_splits.by_day`.

  Raises:
    InputError: see `ranking.data.load`.
  """
  folders = RunDirectory(run_dir)
  sids, embeddings = folders.semantic_ids, folders.item_embeddings
  return data.load(
      catalog_directory=folders.catalog,
      impressions_directory=folders.impressions,
      semantic_ids_directory=sids if sids.is_dir() else None,
      embeddings_directory=embeddings if embeddings.is_dir() else None,
      last_train_day=last_train_day,
      test_days=test_days,
  )


def run(
    run_dir: str,
    config: RankingConfig,
    last_train_day: str,
    test_days: int,
    seed: int,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `ranking/` and prints its figures.

  Args:
    run_dir: the run directory; see `load_data`.
    config: the ranker.
    last_train_day: the last day to train on; empty for the last one that
      leaves days to test on.
    test_days: days to test on.
    seed: of parameters, hashes and order.
    mesh: the devices; all if None.

  Raises:
    InputError: see `ranking.build.build`.
  """
  directory = RunDirectory(run_dir).ranking
  build.build(
      directory,
      data=load_data(run_dir, last_train_day, test_days),
      config=config,
      seed=seed,
      mesh=mesh,
  )
  text = (directory / build.METRICS_FILE).read_text(encoding='utf-8')
  figures: dict[str, Any] = json.loads(text)
  for name, value in figures.items():
    if 'decile' not in name:
      print(f'{name:36} {"not defined" if value is None else f"{value:,.6g}"}')
