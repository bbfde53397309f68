# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import build as embed
from plum_jax.item_embeddings import modalities
from plum_jax.semantic_ids import add_items
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import build
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer_kinds
from plum_jax.semantic_ids import train_step

_CONFIG = build.SemanticIdsConfig(
    tokenizer=rqvae.RqvaeConfig((8, 4), (8,), 4),
    training=train_step.TrainConfig(
        batch_size=32, epochs=4, kmeans_iterations=2
    ),
)


def _write_catalog(folder, num_items):
  folder.mkdir(exist_ok=True)
  pq.write_table(
      pa.table({'item_id': [f'i{i}' for i in range(num_items)]}),
      folder / 'items.parquet',
  )


@pytest.fixture
def run_directory(tmp_path):
  _write_catalog(tmp_path / 'catalog', 50)
  generator = np.random.default_rng(0)
  rows = generator.normal(size=(50, 6)).astype(np.float32)
  rows[7] = rows[3]
  np.save(tmp_path / 'vectors.npy', rows)
  embed.build(
      tmp_path / 'item_embeddings',
      catalog_directory=tmp_path / 'catalog',
      modalities=[
          modalities.FileModality('text', str(tmp_path / 'vectors.npy'))
      ],
  )
  return tmp_path


def _build(run, config=_CONFIG):
  return build.build(
      run / 'semantic_ids',
      catalog_directory=run / 'catalog',
      embeddings_directory=run / 'item_embeddings',
      config=config,
      seed=0,
  )


def test_build_leaves_table_tokenizer_quality_and_metrics(run_directory):
  made = _build(run_directory)
  folder = run_directory / 'semantic_ids'
  assert sorted(path.name for path in folder.iterdir()) == [
      'manifest.json',
      'metrics.jsonl',
      'quality.json',
      'sid_table.parquet',
      'tokenizer',
  ]
  table = sid_table.load(
      folder / build.TABLE_FILE, tokenizer_directory=folder / 'tokenizer'
  )
  assert table.item_ids.to_pylist() == [f'i{i}' for i in range(50)]
  np.testing.assert_array_equal(table.codes[3], table.codes[7])
  assert table.disambiguation[7] > table.disambiguation[3]
  np.testing.assert_array_equal(
      table.rows_of_sids(table.full_codes), np.arange(50)
  )
  again = assign.assign(
      tokenizer_kinds.load(folder / 'tokenizer'),
      inputs.load(run_directory / 'item_embeddings'),
  )
  np.testing.assert_array_equal(again.codes, table.codes)
  figures = json.loads((folder / build.QUALITY_FILE).read_text())
  distinct = len(np.unique(table.codes, axis=0))
  assert figures['semantic_ids/uniqueness'] == distinct / 50
  assert len((folder / 'metrics.jsonl').read_text().splitlines()) == 4
  assert _build(run_directory) == made
  assert not list((run_directory / 'work').iterdir())


def test_build_gives_the_same_bytes_from_the_same_seed(run_directory):
  first = _build(run_directory)
  (run_directory / 'semantic_ids').rename(run_directory / 'first')
  assert _build(run_directory).outputs == first.outputs


def test_build_refuses_embeddings_of_another_catalog(run_directory):
  _build(run_directory)
  before = (run_directory / 'semantic_ids' / 'manifest.json').read_bytes()
  _write_catalog(run_directory / 'catalog', 49)
  with pytest.raises(InputError, match='49 items') as caught:
    _build(run_directory)
  assert 'items.parquet' in str(caught.value)
  assert 'item_embeddings' in str(caught.value)
  after = (run_directory / 'semantic_ids' / 'manifest.json').read_bytes()
  assert after == before


def test_build_refuses_a_catalog_without_item_ids(run_directory):
  pq.write_table(
      pa.table({'other': ['a']}), run_directory / 'catalog' / 'items.parquet'
  )
  with pytest.raises(InputError, match='items cannot be read'):
    _build(run_directory)


def test_build_with_nearest_free_codes_has_no_disambiguation_level(
    run_directory,
):
  config = dataclasses.replace(_CONFIG, collisions='nearest_free')
  # Of 8 x 16 codes, so that none is short of room.
  config = dataclasses.replace(
      config, tokenizer=rqvae.RqvaeConfig((8, 16), (8,), 4)
  )
  _build(run_directory, config)
  folder = run_directory / 'semantic_ids'
  table = sid_table.load(folder / build.TABLE_FILE)
  assert table.level_sizes == (8, 16)
  assert len(np.unique(table.full_codes, axis=0)) == 50
  np.testing.assert_array_equal(
      table.tokenizer_codes[3], table.tokenizer_codes[7]
  )
  np.testing.assert_array_equal(table.codes[3, :-1], table.codes[7, :-1])
  # What the tokenizer gave is judged, not what was made of it.
  figures = json.loads((folder / build.QUALITY_FILE).read_text())
  distinct = len(np.unique(table.tokenizer_codes, axis=0))
  assert figures['semantic_ids/uniqueness'] == distinct / 50 < 1


@pytest.mark.parametrize(
    'changes',
    [
        {'collisions': 'nearest'},
        {'collisions': 'nearest_free', 'disambiguation_size': 16},
    ],
)
def test_config_refuses_collisions_that_cannot_be(changes):
  with pytest.raises(InputError, match='collisions = '):
    build.SemanticIdsConfig(**changes)


def test_build_never_replaces_a_table_to_which_items_were_added(
    run_directory, caplog
):
  _build(run_directory)
  source = np.load(run_directory / 'vectors.npy')

  def add(num_items):
    _write_catalog(run_directory / 'catalog', num_items)
    np.save(run_directory / 'vectors.npy', np.resize(source, (num_items, 6)))
    embed.build(
        run_directory / 'item_embeddings',
        catalog_directory=run_directory / 'catalog',
        modalities=[
            modalities.FileModality('text', str(run_directory / 'vectors.npy'))
        ],
    )

  def add_semantic_ids():
    return add_items.build(
        run_directory / 'semantic_ids',
        catalog_directory=run_directory / 'catalog',
        embeddings_directory=run_directory / 'item_embeddings',
    )

  add(55)
  made = add_semantic_ids()
  # A pipeline goes on over it.
  assert _build(run_directory) == made
  other = dataclasses.replace(_CONFIG, disambiguation_size=32)
  with pytest.raises(InputError, match='Items were added') as caught:
    _build(run_directory, other)
  assert 'the tokenizer settings' in str(caught.value)
  add(60)
  with pytest.raises(InputError, match='Items were added') as caught:
    _build(run_directory)
  assert 'the items and embeddings' in str(caught.value)
  assert 'plum_jax.launch.assign_semantic_ids' in str(caught.value)
  folder = run_directory / 'semantic_ids'
  assert manifest.load(folder) == made
  shutil.rmtree(folder)
  _build(run_directory)
  # A first version is replaced, as all stages do, but not without a word.
  add(65)
  with caplog.at_level('WARNING', 'plum_jax'):
    _build(run_directory)
  assert 'assign_semantic_ids' in caplog.text
  assert sid_table.load(folder / build.TABLE_FILE).num_items == 65
