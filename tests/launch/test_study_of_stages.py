# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A study of real stages on a tiny catalog, killed and gone on with."""

import csv
import json
import pathlib

import gin
import pytest

from plum_jax.launch import application
from plum_jax.launch import study
from plum_jax.testing import tiny_catalog

_STAGES = 'catalog,item_embeddings,semantic_ids'
_UNIQUENESS = 'semantic_ids/uniqueness'
_ERROR = 'semantic_ids/reconstruction_error'
_LEAF = """
from __gin__ import dynamic_registration

from plum_jax.catalog.sources import files
from plum_jax.item_embeddings import modalities

SOURCE = @files.Files()
MODALITIES = [@modalities.FileModality()]
MIXTURE_OR_TASK_NAME = 'none: no stage here reads it'
TASK_FEATURE_LENGTHS = {{}}
CODEBOOK_SIZES = (4, 4)
SID_HIDDEN_SIZES = (16,)
SID_LATENT_SIZE = 8
SID_EPOCHS = {sid_epochs}
SID_BATCH_SIZE = 24

files.Files:
  items = '{source}/items.csv'
  interactions = '{source}/interactions.csv'
  item_columns = @files.ItemColumns()
  interaction_columns = @files.InteractionColumns()
modalities.FileModality:
  name = 'text'
  path = '{source}/embeddings.npy'
"""


@pytest.fixture(scope='module')
def leaves(tmp_path_factory):
  """Two experiments that differ in the tokenizer's training alone."""
  folder = tmp_path_factory.mktemp('leaves')
  tiny_catalog.write(folder)
  for name, epochs in (('short', 2), ('long', 6)):
    text = _LEAF.format(source=folder, sid_epochs=epochs)
    (folder / f'{name}.gin').write_text(text, encoding='utf-8')
  yield f'{folder}/short.gin,{folder}/long.gin'
  gin.clear_config()


def _status(leaves, run_dir, *flags):
  with pytest.raises(SystemExit) as end:
    study.main(
        [
            f'--experiments={leaves}',
            f'--gin.RUN_DIR={run_dir}',
            '--seeds=0,1',
            f'--stages={_STAGES}',
            f'--metrics={_UNIQUENESS},{_ERROR}',
            *flags,
        ]
    )
  return end.value.code


@pytest.fixture(scope='module')
def finished(leaves, tmp_path_factory):
  run_dir = tmp_path_factory.mktemp('study')
  assert _status(leaves, run_dir) == 0
  return run_dir


def test_study_shares_what_depends_on_neither_experiment_nor_seed(finished):
  runs = [
      finished / experiment / f'seed_{seed}'
      for seed in (0, 1)
      for experiment in ('short', 'long')
  ]
  for name in ('catalog/items.parquet', 'item_embeddings/text.npy'):
    assert all((run / name).samefile(runs[0] / name) for run in runs)
  tables = {
      (
          run / 'semantic_ids' / 'tokenizer' / 'parameters.safetensors'
      ).read_bytes()
      for run in runs
  }
  assert len(tables) == 4


def test_study_gives_each_run_its_own_figures(finished):
  found = json.loads((finished / 'study.json').read_text())
  assert found['experiments'] == ['short', 'long']
  assert found['seeds'] == [0, 1]
  for run in found['runs']:
    folder = finished / run['experiment'] / f'seed_{run["seed"]}'
    recorded = json.loads(
        (folder / 'semantic_ids' / 'quality.json').read_text()
    )
    for metric in (_UNIQUENESS, _ERROR):
      assert run['figures'][metric] == recorded[metric]
  with open(finished / 'study.csv', newline='', encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
  assert [(row['experiment'], row['seed']) for row in rows] == [
      ('short', '0'),
      ('long', '0'),
      ('short', '1'),
      ('long', '1'),
  ]
  assert 'seed 1' in (finished / 'study.html').read_text()


@pytest.mark.parametrize('call', [3, 8])
def test_interrupted_study_that_goes_on_ends_with_the_same_bytes(
    leaves, finished, tmp_path, monkeypatch, call
):
  calls = []

  def interrupt(stage, config, run_dir):
    calls.append(stage.name)
    if len(calls) == call:
      raise KeyboardInterrupt
    original(stage, config, run_dir)

  original = application.call
  with monkeypatch.context() as patch:
    patch.setattr(application, 'call', interrupt)
    assert _status(leaves, tmp_path) == application.INTERRUPTED
  assert not (tmp_path / 'study.json').exists()
  assert _status(leaves, tmp_path) == 0
  for name in ('study.json', 'study.csv'):
    assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_study_with_unknown_metric_names_those_that_exist(
    leaves, finished, capsys
):
  before = (finished / 'study.json').read_bytes()
  flag = '--metrics=semantic_ids/uniquness'
  assert _status(leaves, finished, flag) == application.INPUT_ERROR
  error = capsys.readouterr().err
  assert 'do not record semantic_ids/uniquness' in error
  assert 'expected: semantic_ids/uniqueness' in error
  assert (finished / 'study.json').read_bytes() == before


def test_study_with_mistake_in_the_last_experiment_starts_none(
    leaves, tmp_path, capsys
):
  wrong = tmp_path / 'wrong.gin'
  first = leaves.split(',')[0]
  text = pathlib.Path(first).read_text(encoding='utf-8')
  wrong.write_text(text.replace('files.Files()', 'files.Fils()'))
  run_dir = tmp_path / 'study'
  assert _status(f'{leaves},{wrong}', run_dir) == application.INPUT_ERROR
  assert "no 'Fils' there" in capsys.readouterr().err
  assert not run_dir.exists()


def test_study_takes_artifacts_over_from_runs_outside_of_it(
    leaves, finished, tmp_path
):
  run = finished / 'long' / 'seed_1'
  flags = ['--seeds=1', f'--reuse={run}']
  assert _status(leaves.split(',')[1], tmp_path, *flags) == 0
  table = 'semantic_ids/sid_table.parquet'
  assert (tmp_path / 'long' / 'seed_1' / table).samefile(run / table)
