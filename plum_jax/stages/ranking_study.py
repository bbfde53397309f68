# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rankers with all item features and table sizes, compared on one page."""

from __future__ import annotations

import jax

from plum_jax.ranking import study
from plum_jax.ranking.study import RankingStudy
from plum_jax.reports import ranking_page
from plum_jax.stages import ranking
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    config: RankingStudy,
    last_train_day: str,
    test_days: int,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `ranking_study/`, with a folder a ranker, and prints the table.

  Rankers that are finished are not trained again: a study that was killed goes
  on, and one that is widened trains only what is new.

  Args:
    run_dir: the run directory; see `stages.ranking.load_data`.
    config: what is compared.
    last_train_day: see `stages.ranking.run`.
    test_days: see `stages.ranking.run`.
    mesh: the devices; all if None.

  Raises:
    InputError: see `ranking.build.build`.
  """
  directory = RunDirectory(run_dir).ranking_study
  results = study.run(
      directory,
      data=ranking.load_data(run_dir, last_train_day, test_days),
      config=config,
      mesh=mesh,
  )
  study.save(results, directory)
  page = ranking_page.build(results, directory)
  print(f'\n{ranking_page.text_table(results)}\nReport: {page}')
