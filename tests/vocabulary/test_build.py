# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.semantic_ids import extend
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.vocabulary import build
from plum_jax.vocabulary import layout
from plum_jax.vocabulary import text_model


@pytest.fixture
def run(tmp_path):
  items = tables.make_items(
      pa.array(['a', 'b']), pa.array(['Ängström', 'Dogs and cats'])
  )
  interactions = tables.make_interactions(
      pa.array(['u']), pa.array(['a']), pa.array([1]), time_kind='absolute'
  )
  (tmp_path / 'catalog').mkdir()
  Catalog(items, interactions).save(tmp_path / 'catalog')
  (tmp_path / 'semantic_ids').mkdir()
  sid_table.make(
      ['a', 'b'],
      np.array([[0, 1], [2, 1]]),
      codebook_sizes=(3, 2),
      tokenizer_hash='',
      disambiguation_size=4,
  ).save(tmp_path / 'semantic_ids' / TABLE_FILE)
  return tmp_path


def _build(run, **kwargs):
  return build.build(
      run / 'vocabulary',
      catalog_directory=run / 'catalog',
      semantic_ids_directory=run / 'semantic_ids',
      **kwargs,
  )


def test_build_trains_on_the_catalog_when_no_model_is_given(run):
  made = _build(run, custom_tokens=['<five>'])
  values = json.loads((run / 'vocabulary' / 'vocabulary.json').read_text())
  base = values['base_size']
  assert values == {
      'base_size': base,
      'extra_ids': 100,
      'level_sizes': [3, 2, 4],
      'custom_tokens': ['<five>'],
      'sid_table_hash': manifest.hash_file(run / 'semantic_ids' / TABLE_FILE),
      'sid_first_id': base + 100,
      'custom_first_id': base + 109,
      'vocab_size': base + 110,
      'padded_vocab_size': -(-(base + 110) // 128) * 128,
  }
  assert set(made.inputs) == {'catalog', 'semantic_ids'}
  model = (run / 'vocabulary' / layout.MODEL_FILE).read_bytes()
  assert text_model.num_pieces(model) == base + 110


def test_build_takes_a_given_model_and_not_the_catalog(run):
  file = run / 'base.model'
  file.write_bytes(text_model.train(['some text'], 200))
  made = _build(run, base_model_file=file)
  assert set(made.inputs) == {'base_model', 'semantic_ids'}
  found = layout.VocabularyLayout.load(run / 'vocabulary')
  assert found.base_size == text_model.num_pieces(file.read_bytes())


def test_build_leaves_nothing_behind_when_it_fails(run):
  with pytest.raises(InputError, match='already'):
    _build(run, custom_tokens=['<sid_1_0>'])
  assert not (run / 'vocabulary').exists()


def test_build_keeps_the_vocabulary_when_items_are_added_to_the_table(run):
  folder = run / 'semantic_ids'
  first = manifest.Manifest('semantic_ids', {}, {}).save(folder)
  made = _build(run)
  later = lineage.parameters_of_next(folder, first)
  table = sid_table.load(folder / TABLE_FILE)
  table = extend.extend(table, ['c', 'a'], np.array([[1, 0], [1, 0]]))
  table.save(folder / TABLE_FILE)
  manifest.Manifest(lineage.STAGE, {}, later).save(folder)
  assert _build(run) == made
  # What was asked for otherwise is made otherwise.
  other = _build(run, extra_ids=7)
  assert other != made
  assert _build(run, extra_ids=7) == other
  # A table that is not of the same line has tokens of its own.
  first.save(folder)
  again = _build(run)
  assert again.inputs['semantic_ids'] == manifest.hash_file(folder / TABLE_FILE)
  assert again.inputs != made.inputs
