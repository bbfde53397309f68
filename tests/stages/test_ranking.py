# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stages of the ranking model, from a generated world to the report."""

import dataclasses

import jax
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import generated_files
from plum_jax.catalog.generated_world import GeneratedWorld
from plum_jax.ranking.build import RankingConfig
from plum_jax.ranking.network import RankerConfig
from plum_jax.ranking.study import RankingStudy
from plum_jax.sharding import mesh as meshes
from plum_jax.stages import catalog
from plum_jax.stages import generated_world
from plum_jax.stages import impressions
from plum_jax.stages import ranking
from plum_jax.stages import ranking_study

_RANKER = RankingConfig(
    feature='random_hashing',
    num_rows=32,
    network=RankerConfig(
        embed_size=4,
        max_history=0,
        bottom_size=8,
        bottom_layers=1,
        num_experts=1,
        expert_size=4,
        tower_size=4,
    ),
    batch_size=128,
)


@pytest.fixture(scope='module', name='run_dir')
def run_dir_fixture(tmp_path_factory):
  run_dir = str(tmp_path_factory.mktemp('run'))
  world = GeneratedWorld(
      num_items=60, num_users=20, num_impressions=2_000, num_days=3
  )
  generated_world.run(run_dir, world, seed=5)
  catalog.run(run_dir, generated_files.catalog_source(run_dir))
  impressions.run(run_dir, generated_files.impression_source(run_dir))
  return run_dir


def test_one_ranker_prints_its_figures(run_dir, capsys):
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  ranking.run(run_dir, _RANKER, '', 1, seed=0, mesh=mesh)
  printed = capsys.readouterr().out
  assert 'ranking/click/auc ' in printed
  assert 'ranking/watched/rmse ' in printed
  assert 'decile' not in printed


def test_study_leaves_a_report(run_dir, capsys):
  config = RankingStudy(
      ranker=_RANKER,
      features=('random_hashing',),
      table_sizes=(1,),
      histories=(False,),
      seeds=(0,),
  )
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  ranking_study.run(run_dir, config, '', 1, mesh=mesh)
  printed = capsys.readouterr().out
  assert 'random_hashing' in printed
  page = printed.rpartition('Report: ')[2].strip()
  assert page.endswith('ranking_study/ranking_study.html')


def test_feature_of_a_stage_that_never_ran_is_refused(run_dir):
  for feature, message in (
      ('spm', 'Run the stage semantic_ids'),
      ('dense_1x', 'Run the stage item_embeddings'),
  ):
    config = dataclasses.replace(_RANKER, feature=feature)
    with pytest.raises(InputError, match=message):
      ranking.run(run_dir, config, '', 1, seed=1)
