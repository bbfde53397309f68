# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pathlib

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import pipeline
from plum_jax.launch import study_order
from plum_jax.launch import study_plan

_STAGES = pipeline.named_stages('train,evaluate')
_LEAVES = 'plum_text_cpt_sft,plum_text,plum_sft,plum_text_cpt'


def _parse(names):
  paths = ','.join(f'gin/experiments/{name}.gin' for name in names.split(','))
  return study_plan.parse(
      [f'--experiments={paths}', '--seeds=1,2', '--gin.RUN_DIR=runs/x'], _STAGES
  )


def test_runs_come_after_what_they_start_from_with_their_seed():
  study = _parse(_LEAVES)
  assert study.experiments == tuple(_LEAVES.split(','))
  order = [run.experiment for run in study.runs if run.seed == 2]
  assert order.index('plum_text') < order.index('plum_text_cpt')
  assert order.index('plum_text_cpt') < order.index('plum_text_cpt_sft')
  by_name = {run.experiment: run for run in study.runs if run.seed == 2}
  initial = pathlib.Path('runs/x/plum_text_cpt/seed_2')
  assert by_name['plum_text_cpt_sft'].arguments.bindings[-1] == (
      f"INITIAL_CHECKPOINT_PATH='{initial}'"
  )
  assert not any('INITIAL' in b for b in by_name['plum_sft'].arguments.bindings)


def test_an_experiment_that_the_study_lacks_is_named():
  with pytest.raises(InputError) as error:
    _parse('plum_sft,plum_cpt_sft')
  assert "no experiment 'plum_cpt'" in error.value.what
  assert 'plum_cpt_sft.gin' in error.value.where


def test_experiments_that_start_from_each_other_are_refused():
  with pytest.raises(InputError, match='start from each other'):
    study_order.in_order({'a.gin': 'a', 'b.gin': 'b'}, {'a': 'b', 'b': 'a'})
