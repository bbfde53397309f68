# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rankers trained on a small generated world."""

import dataclasses
import json
import logging
import shutil

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import build_impressions
from plum_jax.catalog.sources.impression_source import RatedInteractions
from plum_jax.ranking import build
from plum_jax.ranking import compiled_programs
from plum_jax.ranking import evaluate
from plum_jax.ranking import spm
from plum_jax.ranking.batches import Scaling
from plum_jax.ranking.network import RankerConfig
from plum_jax.sharding import mesh as meshes
from plum_jax.training import loop
from plum_jax.training import metric_writers
from tests.ranking import tiny_data

_CONFIG = build.RankingConfig(
    feature='spm',
    num_rows=64,
    network=RankerConfig(
        embed_size=8,
        max_history=4,
        bottom_size=16,
        bottom_layers=1,
        num_experts=2,
        expert_size=8,
        tower_size=8,
    ),
    batch_size=64,
    learning_rate=0.02,
    warmup_steps=5,
)


def _mesh(count):
  tensor = 2 if count == 8 else 1
  return meshes.make_mesh(tensor=tensor, devices=jax.devices()[:count])


def _figures(directory):
  return json.loads((directory / 'metrics.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module', autouse=True)
def compile_once(tmp_path_factory):
  """Rankers that differ in nothing but where they begin share programs."""
  with compiled_programs.kept_in(tmp_path_factory.mktemp('compiled')):
    yield


@pytest.fixture(scope='module', name='built')
def built_fixture(data, tmp_path_factory):
  directory = tmp_path_factory.mktemp('ranker') / 'ranking'
  build.build(directory, data=data, config=_CONFIG, seed=1, mesh=_mesh(8))
  return directory


def test_ranker_learns_what_the_world_is_made_by(built):
  figures = _figures(built)
  assert figures['ranking/click/auc'] > 0.6
  assert figures['ranking/click/auc_1d'] > 0.5
  assert 0.67 < figures['ranking/click/calibration'] < 1.5
  assert figures['ranking/watched/rmse'] < 0.25
  lines = metric_writers.read(built / 'metrics.jsonl')
  assert lines[-1]['train/loss'] < lines[0]['train/loss']


def test_losses_are_equal_on_one_and_eight_devices(built, data, tmp_path):
  build.build(
      tmp_path / 'ranking', data=data, config=_CONFIG, seed=1, mesh=_mesh(1)
  )
  one, eight = (
      [line['train/loss'] for line in metric_writers.read(path)]
      for path in (tmp_path / 'ranking/metrics.jsonl', built / 'metrics.jsonl')
  )
  assert len(one) > 20
  np.testing.assert_allclose(one, eight, rtol=2e-4)


def test_resumed_training_equals_an_uninterrupted_one(
    built, data, tmp_path, monkeypatch
):
  keep = loop._Keeper.due
  monkeypatch.setattr(loop._Keeper, 'due', lambda _, step: step == 50)
  stop = iter([False] * 59 + [True])
  monkeypatch.setattr(
      loop, '_sigterm', lambda: _Always(lambda _: next(stop, False))
  )
  directory = tmp_path / 'ranking'
  arguments = {'data': data, 'config': _CONFIG, 'seed': 1, 'mesh': _mesh(8)}
  with pytest.raises(loop.Preempted):
    build.build(directory, **arguments)
  assert not directory.exists()
  monkeypatch.setattr(loop._Keeper, 'due', keep)
  build.build(directory, **arguments)
  for name in ('metrics.json', 'metrics.jsonl'):
    assert (directory / name).read_bytes() == (built / name).read_bytes()


class _Always:
  """A context manager that gives one value."""

  def __init__(self, value):
    self._value = value

  def __enter__(self):
    return self._value

  def __exit__(self, *_):
    return None


def test_finished_ranker_is_skipped(built, data, caplog):
  with caplog.at_level(logging.INFO, logger='plum_jax'):
    build.build(built, data=data, config=_CONFIG, seed=1, mesh=_mesh(8))
  assert 'up to date' in caplog.text


def test_spm_model_of_the_ranker_is_kept_and_names_the_tokenizer(built, data):
  table = data.inputs.sid_table
  model = spm.load(built / 'spm', table.tokenizer_hash)
  assert model.codebook_sizes == tiny_data.CODEBOOK_SIZES
  assert _figures(built)['ranking/rows/spm'] == 64


def test_spm_model_of_another_tokenizer_is_refused(built, data, tmp_path):
  shutil.copytree(built / 'spm', tmp_path / 'spm')
  path = tmp_path / 'spm' / spm.DESCRIPTION_FILE
  path.write_text(
      json.dumps({'codebook_sizes': [8] * 4, 'tokenizer_hash': 'other'}),
      encoding='utf-8',
  )
  config = dataclasses.replace(_CONFIG, spm_model=str(tmp_path / 'spm'))
  with pytest.raises(InputError, match='another tokenizer'):
    build.build(tmp_path / 'ranking', data=data, config=config)
  assert not (tmp_path / 'ranking').exists()


def test_figures_agree_with_subsets_counted_by_hand(data):
  split = data.split
  count = split.test.stop - split.test.start
  predictions = np.random.default_rng(0).normal(size=(count, 2))
  feature = dataclasses.replace(_CONFIG, feature='unigram').item_feature(
      data.inputs
  )
  features = feature.build(data.inputs)
  found = evaluate.measure(
      data, features, predictions, Scaling((0.0, 0.5), (1.0, 0.1))
  )
  items = data.impressions.items[split.test]
  clicks, watched = data.impressions.values[split.test].T
  seen = np.unique(data.impressions.items[split.train])
  cold = ~np.isin(items, seen)
  assert found['ranking/num_test_1d'] == cold.sum() > 0
  scores, labels = predictions[cold, 0], clicks[cold]
  wins = scores[labels == 1][:, None] > scores[labels == 0][None, :]
  assert found['ranking/click/auc_1d'] == pytest.approx(wins.mean())
  there = ~np.isnan(watched)
  errors = predictions[there, 1] * 0.1 + 0.5 - watched[there]
  assert found['ranking/watched/rmse'] == pytest.approx(
      np.sqrt(np.mean(errors**2)), rel=1e-6
  )
  assert found['ranking/look_ups/cold_start'] == 4
  assert found['ranking/rows/unigram_1'] == 8
  assert found['ranking/rows_used/unigram_1'] <= 8


def test_day_of_one_class_has_no_auc(data):
  values = data.impressions.values.copy()
  values[data.split.test, 0] = 1
  changed = dataclasses.replace(
      data, impressions=dataclasses.replace(data.impressions, values=values)
  )
  features = _CONFIG.item_feature(data.inputs).build(data.inputs)
  count = data.split.test.stop - data.split.test.start
  found = evaluate.measure(
      changed, features, np.zeros((count, 2)), Scaling((0, 0), (1, 1))
  )
  undefined = [name for name in found if '/auc' in name]
  assert len(undefined) == 12
  assert {found[name] for name in undefined} == {None}
  assert found['ranking/click/log_loss'] == pytest.approx(np.log(2))


def test_dense_content_is_standardized(data):
  config = dataclasses.replace(_CONFIG, feature='dense_1x')
  features = config.item_feature(data.inputs).build(data.inputs)
  assert features.content.shape == (300, 8)
  assert features.content.mean() == pytest.approx(0, abs=1e-5)
  assert features.content.std() == pytest.approx(1, abs=1e-4)
  assert features.num_rows == 0


def test_base_number_of_rows_is_that_of_the_unigrams(data):
  config = dataclasses.replace(_CONFIG, feature='random_hashing', num_rows=0)
  assert config.item_feature(data.inputs).build(data.inputs).num_rows == 32


def test_impressions_of_another_catalog_are_refused(run, tmp_path):
  copied = tmp_path / 'run'
  shutil.copytree(run, copied)
  build_impressions.build(
      copied / 'impressions',
      catalog_directory=copied / 'catalog',
      source=RatedInteractions(),
  )
  (copied / 'catalog' / 'interactions.parquet').write_bytes(b'other')
  with pytest.raises(InputError, match='another catalog'):
    tiny_data.load(copied)


def test_table_of_another_tokenizer_is_refused(run, tmp_path):
  copied = tmp_path / 'run'
  shutil.copytree(run, copied)
  tokenizer = copied / 'semantic_ids' / 'tokenizer'
  (tokenizer / 'config.json').write_text('{}', encoding='utf-8')
  with pytest.raises(InputError, match='not made with the tokenizer'):
    tiny_data.load(copied)
