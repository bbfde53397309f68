# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage semantic_ids with the contrastive loss: what it reads of whom."""

import dataclasses

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import build as catalogs
from plum_jax.item_embeddings import build as embed
from plum_jax.item_embeddings import modalities
from plum_jax.semantic_ids import build
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import train_step
from plum_jax.semantic_ids.co_occurrence import CoOccurrence
from plum_jax.testing import tiny_catalog

_RQVAE = rqvae.RqvaeConfig((4, 4), (8,), 4)
_OFF = build.SemanticIdsConfig(
    tokenizer=_RQVAE,
    training=train_step.TrainConfig(
        batch_size=12, epochs=2, kmeans_iterations=2
    ),
)
_ON = dataclasses.replace(
    _OFF,
    tokenizer=dataclasses.replace(_RQVAE, contrastive_weight=1.0),
    co_occurrence=CoOccurrence(window=2),
)


@pytest.fixture
def folder(tmp_path):
  """A run directory with a catalog and embeddings."""
  catalogs.build(tmp_path / 'catalog', source=tiny_catalog.write(tmp_path))
  embed.build(
      tmp_path / 'item_embeddings',
      catalog_directory=tmp_path / 'catalog',
      modalities=[
          modalities.FileModality('text', str(tmp_path / 'embeddings.npy'))
      ],
  )
  return tmp_path


def _build(folder, config, **options):
  return build.build(
      folder / 'semantic_ids',
      catalog_directory=folder / 'catalog',
      embeddings_directory=folder / 'item_embeddings',
      config=config,
      seed=0,
      **options,
  )


def _change_interactions(folder, change):
  """Writes other interactions beside the same items."""
  path = folder / 'catalog' / 'interactions.parquet'
  table = pq.read_table(path)
  changed = pa.table(change(table.to_pydict()), schema=table.schema)
  pq.write_table(changed, path)


def _first(count):
  return lambda columns: {name: c[:count] for name, c in columns.items()}


def test_build_with_the_loss_off_reads_no_interactions(folder):
  made = _build(folder, _OFF)
  assert set(made.inputs) == {'items', 'item_embeddings'}
  _change_interactions(folder, _first(-1))
  # A window without the loss, and another split, change nothing either.
  other = dataclasses.replace(_OFF, co_occurrence=CoOccurrence(window=9))
  assert _build(folder, other, split='by_time') == made


def test_build_with_the_loss_on_trains_anew_for_other_interactions_or_split(
    folder,
):
  made = _build(folder, _ON)
  assert set(made.inputs) == {'items', 'item_embeddings', 'interactions'}
  assert made.parameters['partners'] == {
      'window': 2,
      'split': 'leave_one_out',
      'split_options': {},
  }
  assert _build(folder, _ON) == made
  log = (folder / 'semantic_ids' / 'metrics.jsonl').read_text()
  assert '"contrastive"' in log
  by_time = _build(folder, _ON, split='by_time', split_options={'test_days': 3})
  assert by_time.outputs != made.outputs
  assert by_time.parameters['partners']['split_options'] == {'test_days': 3}
  _change_interactions(folder, _first(-40))
  changed = _build(folder, _ON)
  assert changed.inputs['interactions'] != made.inputs['interactions']


def test_build_with_other_validation_and_test_items_gives_the_same_tokenizer(
    folder,
):
  made = _build(folder, _ON)

  def change(columns):
    # The last two of each user's nine are validation and test.
    items = columns['item_id']
    for i in range(len(items)):
      if i % 9 >= 7:
        items[i] = f'i{(i * 7) % 24}'
    return columns

  _change_interactions(folder, change)
  changed = _build(folder, _ON)
  assert changed.inputs['interactions'] != made.inputs['interactions']
  assert changed.outputs == made.outputs


def test_build_takes_partners_from_a_file_by_its_content(folder):
  path = folder / 'pairs.csv'
  path.write_text('item_id,partner_id\ni0,i1\ni2,i3\n')
  config = dataclasses.replace(
      _ON, co_occurrence=CoOccurrence(partners_file=str(path))
  )
  made = _build(folder, config)
  assert set(made.inputs) == {'items', 'item_embeddings', 'partners'}
  _change_interactions(folder, _first(-1))
  moved = path.rename(folder / 'moved.csv')
  config = dataclasses.replace(
      _ON, co_occurrence=CoOccurrence(partners_file=str(moved))
  )
  assert _build(folder, config) == made
  moved.write_text('item_id,partner_id\ni0,i1\ni2,unknown\n')
  with pytest.raises(InputError, match="'unknown' is not in the catalog") as e:
    _build(folder, config)
  assert e.value.where == f'{moved}, row 2, column partner_id'


def test_build_refuses_the_loss_where_nothing_occurs_together(folder):
  # One interaction is left of each user.
  _change_interactions(
      folder, lambda columns: {name: c[::9] for name, c in columns.items()}
  )
  with pytest.raises(InputError, match='No two items occur together'):
    _build(folder, _ON)
  assert not (folder / 'semantic_ids').exists()
