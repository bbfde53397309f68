# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Experiments of aligned training: their mixtures, catalogs and models."""

import pathlib

import pytest

from plum_jax.launch.config import loading
from plum_jax.launch.config import statements

_GIN = pathlib.Path(__file__).parents[2] / 'gin'
_LEAVES = sorted((_GIN / 'experiments').glob('aligned_*.gin'))


def _read(*files):
  names = [str(_GIN / file) for file in files]
  return loading.read('train', loading.Arguments(names))


def _functions(sources, name):
  """The functions that a macro refers to, by their selectors."""
  found = []
  for leaf in statements.flatten(sources.macros[name].value):
    if isinstance(leaf, statements.MacroReference):
      found += _functions(sources, leaf.name)
    else:
      found.append(leaf.selector)
  return found


@pytest.mark.parametrize(
    ('leaf', 'auxiliary'),
    [
        ('rec', []),
        ('mim', ['auxiliary.mim']),
        ('mlm', ['auxiliary.mlm']),
        ('bpr', ['auxiliary.bpr']),
        ('all', ['auxiliary.mim', 'auxiliary.mlm', 'auxiliary.bpr']),
        ('text_all', ['auxiliary.mim', 'auxiliary.mlm', 'auxiliary.bpr']),
    ],
)
def test_mixtures_are_recommendation_and_auxiliary_tasks(leaf, auxiliary):
  experiment = f'experiments/aligned_{leaf}.gin'
  # By Semantic ID alone, and with titles.
  shared = ['retrieval.in_words'] * 2 + ['ranking.register']
  found = _functions(_read(experiment), 'MIXTURE_TASKS')
  assert found == [*shared, *['rating.register'] * 2, *auxiliary]
  # Beauty has no ratings.
  beauty = _read(experiment, 'catalogs/beauty.gin')
  assert _functions(beauty, 'MIXTURE_TASKS') == [*shared, *auxiliary]


def test_all_experiments_run_on_beauty_and_as_a_t5():
  assert len(_LEAVES) == 9
  for leaf in _LEAVES:
    beauty = _read(f'experiments/{leaf.name}', 'catalogs/beauty.gin')
    assert beauty.macro('DATASET') == 'beauty'
    assert set(beauty.macro('TASK_FEATURE_LENGTHS')) == {'inputs', 'targets'}
  # One size of T5 for all, which the tests of gin/ read one by one.
  arguments = loading.Arguments(
      [str(_LEAVES[0]), str(_GIN / 'models' / 't5_base.gin')]
  )
  loading.load('train', 'plum_jax.stages.train.run', arguments)


def test_mixtures_start_from_an_experiment_of_their_study():
  starts = {
      leaf.stem: _read(f'experiments/{leaf.name}').macro(
          'INITIAL_CHECKPOINT_PATH'
      )
      for leaf in _LEAVES
  }
  assert starts == {
      'aligned_all': 'study:aligned_start',
      'aligned_bpr': 'study:aligned_start',
      'aligned_mim': 'study:aligned_start',
      'aligned_mlm': 'study:aligned_start',
      'aligned_rec': 'study:aligned_start',
      'aligned_start': '',
      'aligned_text': '',
      'aligned_text_all': 'study:aligned_text_start',
      'aligned_text_start': 'study:aligned_text',
  }
