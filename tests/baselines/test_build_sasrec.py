# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The SASRec stage on a catalog whose next item is always the same."""

import dataclasses
import logging

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import build_sasrec
from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.evaluation import evaluator
from plum_jax.evaluation import examples
from plum_jax.training import metric_writers

NUM_ITEMS = 12
CONFIG = build_sasrec.SasrecTraining(
    max_length=4,
    embed_size=16,
    num_layers=1,
    mlp_size=16,
    dropout_rate=0.0,
    num_epochs=12,
    batch_size=8,
    learning_rate=0.02,
    warmup_steps=5,
    num_evaluations=2,
    max_validation_users=13,
)


@pytest.fixture(scope='module')
def catalog_directory(tmp_path_factory):
  """Users go round a circle of items, each from where they like."""
  rng = np.random.default_rng(0)
  starts, lengths = rng.integers(NUM_ITEMS, size=30), rng.integers(6, 10, 30)
  users, items, times = [], [], []
  for user, (start, length) in enumerate(zip(starts, lengths, strict=True)):
    users += [f'u{user}'] * length
    items += [f'i{(start + n) % NUM_ITEMS}' for n in range(length)]
    times += [86_400 * n for n in range(length)]
  names = pa.array([f'i{n}' for n in range(NUM_ITEMS)])
  directory = tmp_path_factory.mktemp('run') / 'catalog'
  Catalog(
      tables.make_items(names, names),
      tables.make_interactions(
          pa.array(users),
          pa.array(items),
          pa.array(times),
          time_kind='absolute',
      ),
  ).save(directory)
  return directory


@pytest.fixture(scope='module')
def trained(catalog_directory):
  directory = catalog_directory.parent / 'sasrec'
  build_sasrec.build(
      directory, catalog_directory=catalog_directory, config=CONFIG, seed=3
  )
  return directory


def test_trained_sasrec_knows_the_next_item(trained, catalog_directory):
  histories = Catalog.load(catalog_directory).histories
  test = examples.make_examples(histories, splits.leave_one_out(histories).test)
  result = evaluator.evaluate(
      build_sasrec.load(trained),
      test.features,
      test.target_item_ids,
      num_items=NUM_ITEMS,
      ks=(1,),
      batch_size=8,
      exclude_history=False,
  )
  assert result.metrics['retrieval/recall@1'] == 1.0


def test_metrics_tell_training_and_validation_loss(trained):
  lines = metric_writers.read(trained / 'metrics.jsonl')
  losses = [line['train/loss'] for line in lines if 'train/loss' in line]
  assert losses[-1] < 0.2 * losses[0]
  validation = [line for line in lines if 'validation/loss' in line]
  assert len(validation) == 2
  assert validation[-1]['validation/loss'] < 0.5
  assert validation[-1]['validation/retrieval/recall@10'] == 1.0


def test_a_finished_stage_is_skipped(trained, catalog_directory, caplog):
  before = (trained / 'manifest.json').stat().st_mtime_ns
  with caplog.at_level(logging.INFO, logger='plum_jax'):
    build_sasrec.build(
        trained, catalog_directory=catalog_directory, config=CONFIG, seed=3
    )
  assert 'up to date' in caplog.text
  assert (trained / 'manifest.json').stat().st_mtime_ns == before
  assert not list((trained.parent / 'work').iterdir())


def test_an_unknown_split_is_refused(catalog_directory, tmp_path):
  config = dataclasses.replace(CONFIG, split='by_moon')
  with pytest.raises(InputError, match='by_moon'):
    build_sasrec.build(
        tmp_path / 'sasrec', catalog_directory=catalog_directory, config=config
    )
  assert not (tmp_path / 'sasrec').exists()


def test_a_split_without_validation_is_refused(catalog_directory, tmp_path):
  config = dataclasses.replace(
      CONFIG, split='by_time', split_options={'test_days': 1}
  )
  with pytest.raises(InputError, match='validation targets'):
    build_sasrec.build(
        tmp_path / 'sasrec', catalog_directory=catalog_directory, config=config
    )
  assert not (tmp_path / 'sasrec').exists()


def test_load_refuses_a_folder_without_parameters(tmp_path):
  with pytest.raises(InputError, match='no saved parameters'):
    build_sasrec.load(tmp_path)
