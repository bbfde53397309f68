# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The LEM stage on a catalog whose next item is always the same."""

import dataclasses
import json

import jax
import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import build_lem
from plum_jax.baselines.negative_sampling import NegativeSampling
from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.evaluation import evaluator
from plum_jax.evaluation import examples
from plum_jax.sharding import mesh as meshes
from plum_jax.training import loop
from plum_jax.training import metric_writers

NUM_ITEMS = 12
CONFIG = build_lem.LemTraining(
    max_length=4,
    embed_size=16,
    num_layers=1,
    mlp_size=16,
    dropout_rate=0.1,
    num_steps=90,
    batch_size=8,
    learning_rate=0.02,
    warmup_steps=5,
    num_evaluations=2,
    max_validation_users=8,
    negatives=NegativeSampling(num_in_batch=1, num_sampled=3),
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


def build(directory, catalog_directory, config=CONFIG, **options):
  return build_lem.build(
      directory,
      catalog_directory=catalog_directory,
      config=config,
      seed=3,
      **{'mesh': meshes.make_mesh(devices=jax.devices()[:1]), **options},
  )


@pytest.fixture(scope='module')
def trained(catalog_directory):
  directory = catalog_directory.parent / 'lem'
  build(directory, catalog_directory)
  return directory


def test_trained_lem_knows_the_next_item(trained, catalog_directory):
  histories = Catalog.load(catalog_directory).histories
  test = examples.make_examples(histories, splits.leave_one_out(histories).test)
  result = evaluator.evaluate(
      build_lem.load(trained),
      test.features,
      test.target_item_ids,
      num_items=NUM_ITEMS,
      ks=(1,),
      batch_size=8,
      exclude_history=False,
  )
  assert result.metrics['retrieval/recall@1'] > 0.95


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    trained, catalog_directory, tmp_path, monkeypatch
):
  evaluations = []
  validate = build_lem.next_item_training._make_validation

  def interrupt(*arguments):
    inner = validate(*arguments)

    def failing(params, step):
      evaluations.append(step)
      if len(evaluations) == 2:
        raise KeyboardInterrupt
      return inner(params, step)

    return failing

  monkeypatch.setattr(
      build_lem.next_item_training, '_make_validation', interrupt
  )
  directory = tmp_path / 'lem'
  with pytest.raises(KeyboardInterrupt):
    build(directory, catalog_directory)
  monkeypatch.undo()
  build(directory, catalog_directory)
  assert evaluations == [45, 90]
  log = (directory / loop.METRICS).read_bytes()
  assert log == (trained / loop.METRICS).read_bytes()
  found, expected = (
      checkpoints.load_params(path / build_lem.CHECKPOINT)[0]
      for path in (directory, trained)
  )
  jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_losses_on_eight_devices_equal_those_on_one(
    trained, catalog_directory, tmp_path
):
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  build(tmp_path / 'lem', catalog_directory, mesh=mesh)
  losses = [
      [
          line['train/loss']
          for line in metric_writers.read(path / loop.METRICS)
          if 'train/loss' in line
      ]
      for path in (trained, tmp_path / 'lem')
  ]
  assert losses[0][:20] == pytest.approx(losses[1][:20], rel=1e-3)


def test_steps_come_nearest_to_given_flops():
  step = CONFIG.step_flops(NUM_ITEMS)
  assert CONFIG.with_flops(7 * step, NUM_ITEMS).num_steps == 7
  assert CONFIG.with_flops(7 * step + step // 3, NUM_ITEMS).num_steps == 7
  with pytest.raises(InputError, match='0 steps'):
    CONFIG.with_flops(step // 3, NUM_ITEMS)


def test_manifest_tells_negatives_and_what_the_flops_are_of(
    catalog_directory, tmp_path
):
  other = tmp_path / 'training'
  other.mkdir()
  (other / 'a').write_text('a')
  config = dataclasses.replace(CONFIG, num_steps=1)
  made = build(
      tmp_path / 'lem', catalog_directory, config, equal_flops_to=other
  )
  assert made.inputs['training'] == manifest.content_hash(other)
  text = json.loads((tmp_path / 'lem' / 'manifest.json').read_text())
  assert text['parameters']['negatives']['num_sampled'] == 3


def test_load_refuses_a_folder_without_parameters(tmp_path):
  with pytest.raises(InputError, match='no saved parameters'):
    build_lem.load(tmp_path)
