# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A study of two features, and its page."""

import csv
import dataclasses
import json

import jax
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.ranking import build
from plum_jax.ranking import study
from plum_jax.ranking.network import RankerConfig
from plum_jax.ranking.study import RankingStudy
from plum_jax.ranking.study import Setting
from plum_jax.ranking.study import StudyResults
from plum_jax.reports import ranking_page
from plum_jax.sharding import mesh as meshes

_STUDY = RankingStudy(
    ranker=build.RankingConfig(
        network=RankerConfig(
            embed_size=4,
            max_history=2,
            bottom_size=8,
            bottom_layers=1,
            num_experts=2,
            expert_size=4,
            tower_size=4,
        ),
        batch_size=256,
    ),
    features=('unigram',),
    table_sizes=(1,),
    histories=(True,),
    seeds=(0, 1),
)
_AUC = 'ranking/click/auc'


@pytest.fixture(scope='module', name='directory')
def directory_fixture(tmp_path_factory):
  return tmp_path_factory.mktemp('study') / 'ranking_study'


@pytest.fixture(scope='module', name='results')
def results_fixture(data, directory):
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  return study.run(directory, data=data, config=_STUDY, mesh=mesh)


def _made_up(**changes) -> StudyResults:
  """Two features; random hashing has .5 and .4, SPM .55 and .5."""
  counts = {
      'ranking/num_train': 10,
      'ranking/num_test': 5,
      'ranking/num_test_1d': 2,
      'ranking/num_cold_start_items': 1,
      'ranking/look_ups/decile_01': 1.0,
  }
  figures = {
      Setting(True, 'random_hashing', 1): [0.5, 0.4],
      Setting(True, 'spm', 1): [0.55, 0.5],
      Setting(True, 'spm', 4): [0.6, None],
      Setting(True, 'dense_1x', 0): [0.5, 0.4],
  }
  made = StudyResults(
      base_rows=8,
      seeds=(0, 1),
      click='click',
      figures={
          setting: [{**counts, _AUC: value} for value in values]
          for setting, values in figures.items()
      },
      rows={setting: 8 * setting.table_size for setting in figures},
  )
  return dataclasses.replace(made, **changes)


def test_change_is_taken_seed_by_seed_from_the_smallest_hash_table():
  found = _made_up().change(Setting(True, 'spm', 1), _AUC)
  assert found.values == pytest.approx((10.0, 25.0))
  assert found.mean == pytest.approx(17.5)
  assert found.spread == pytest.approx(10.6066, abs=1e-4)
  reference = _made_up().change(Setting(True, 'random_hashing', 1), _AUC)
  assert reference.values == (0.0, 0.0)


def test_change_of_an_undefined_figure_is_none():
  found = _made_up().change(Setting(True, 'spm', 4), _AUC)
  assert found.values == (pytest.approx(20.0), None)
  assert found.spread is None
  assert _made_up().change(Setting(True, 'spm', 4), 'x').mean is None


def test_settings_hold_each_fixed_size_once_and_the_reference_first():
  config = RankingStudy(features=('spm', 'dense_2x'), table_sizes=(1, 2))
  names = [one.name for one in study.settings(config)]
  assert names == [
      'history-random_hashing_1',
      'history-random_hashing_2',
      'history-spm_1',
      'history-spm_2',
      'history-dense_2x',
      'no_history-random_hashing_1',
      'no_history-random_hashing_2',
      'no_history-spm_1',
      'no_history-spm_2',
      'no_history-dense_2x',
  ]


def test_rankers_differ_in_feature_rows_and_history_alone():
  setting = Setting(False, 'bigram', 3)
  found = study.ranker(_STUDY, setting, 32)
  assert (found.feature, found.num_rows) == ('bigram', 96)
  assert found.network.max_history == 0
  with_history = study.ranker(_STUDY, Setting(True, 'bigram', 3), 32)
  assert with_history.network == _STUDY.ranker.network


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'seeds': ()}, 'seeds'),
        ({'table_sizes': (1, 1)}, 'table_sizes'),
        ({'table_sizes': (0,)}, 'below the base'),
        ({'features': ('trigram',)}, 'trigram'),
    ],
)
def test_study_of_nothing_is_refused(change, message):
  with pytest.raises(InputError, match=message):
    dataclasses.replace(_STUDY, **change)


def test_study_keeps_a_folder_for_each_ranker(results, directory):
  assert [one.name for one in results.figures] == [
      'history-random_hashing_1',
      'history-unigram',
  ]
  folder = directory / 'runs' / 'history-unigram' / 'seed_1'
  saved = json.loads((folder / 'metrics.json').read_text(encoding='utf-8'))
  assert results.figures[Setting(True, 'unigram', 0)][1] == saved
  assert set(results.rows.values()) == {32}
  assert not (directory / 'compiled').exists()
  assert jax.config.jax_compilation_cache_dir is None


def test_same_study_again_trains_nothing(results, data, directory, monkeypatch):
  monkeypatch.setattr(build, 'train', None)
  again = study.run(directory, data=data, config=_STUDY)
  assert again == results


def test_seeds_differ(results):
  for setting in results.figures:
    first, second = results.values(setting, _AUC)
    assert first != second


def test_files_hold_every_run(results, directory):
  study.save(results, directory)
  text = (directory / 'ranking_study.json').read_text(encoding='utf-8')
  values = json.loads(text)
  assert values['base_rows'] == 32
  assert len(values['settings']) == 2
  change = values['settings'][1]['changes'][_AUC]
  setting = Setting(True, 'unigram', 0)
  assert change['mean'] == results.change(setting, _AUC).mean
  with open(directory / 'ranking_study.csv', encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
  assert [row['seed'] for row in rows] == ['0', '1', '0', '1']
  assert (
      float(rows[0][_AUC])
      == results.figures[Setting(True, 'random_hashing', 1)][0][_AUC]
  )


def test_text_table_tells_means_and_changes():
  text = ranking_page.text_table(_made_up())
  line = next(x for x in text.splitlines() if 'spm' in x and ' 8 ' in x)
  assert line.split()[:6] == ['with', 'spm', '8', '0.5250', '+17.50', '±']
  assert 'random_hashing with 8 rows' in text


def test_figure_has_a_band_and_a_line_for_each_feature():
  figure = ranking_page.change_figure(_made_up(), _AUC, history=True)
  names = [trace.name for trace in figure.data if trace.name]
  assert names == ['random_hashing', 'spm', 'dense_1x']
  spm = next(trace for trace in figure.data if trace.name == 'spm')
  assert list(spm.x) == [8, 32]
  assert list(spm.y) == pytest.approx([17.5, 20.0])
  dense = next(trace for trace in figure.data if trace.name == 'dense_1x')
  assert list(dense.x) == [8, 32]
  band = figure.data[2]
  assert band.fill == 'toself'
  assert max(band.y) == pytest.approx(17.5 + 10.6066, abs=1e-4)


def test_page_shows_both_figures_and_all_features(results, directory):
  path = ranking_page.build(results, directory)
  text = path.read_text(encoding='utf-8')
  for expected in (
      'CTR AUC, with watch history',
      'CTR/1D AUC, with watch history',
      'unigram',
      'change-1',
      'By popularity',
      'watched/rmse',
  ):
    assert expected in text
