# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which files a path stands for, and embeddings in several files."""

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import build
from plum_jax.item_embeddings import given_embeddings
from plum_jax.item_embeddings import shards
from plum_jax.item_embeddings import store
from plum_jax.item_embeddings.modalities import FileModality

_VECTORS = np.arange(18, dtype=np.float32).reshape(6, 3)
_IDS = [f'i{n}' for n in range(6)]


def _touch(folder, *names):
  folder.mkdir(exist_ok=True)
  for name in names:
    (folder / name).touch()


def _names(path):
  return [file.name for file in shards.find(path)]


def test_find_takes_a_folder_in_the_order_of_its_numbers(tmp_path):
  _touch(
      tmp_path,
      'x-10-of-12.npy',
      '_SUCCESS',
      '.x-9-of-12.npy',
      'x-10-of-12.present.npy',
      'note.txt',
      *(f'x-{n}-of-12.npy' for n in (11, *range(10))),
  )
  assert _names(tmp_path) == [f'x-{n}-of-12.npy' for n in range(12)]


def test_find_takes_what_a_pattern_names(tmp_path):
  for stem in ('image', 'text'):
    _touch(tmp_path, f'{stem}-0-of-2.npy', f'{stem}-1-of-2.npy')
  assert _names(tmp_path / 'text-*.npy') == [
      'text-0-of-2.npy',
      'text-1-of-2.npy',
  ]
  assert _names(tmp_path / 'nothing.npy') == ['nothing.npy']


def test_find_takes_tables_of_any_name(tmp_path):
  _touch(tmp_path, 'part-1.snappy.parquet', 'part-0.snappy.parquet')
  assert len(_names(tmp_path)) == 2


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ((), 'There are 0 files'),
        (('a.npy', 'b.parquet'), 'of both kinds'),
        (('a.npy', 'b.npy'), 'a.npy has no number'),
        (('x-0-of-2.parquet', 'y.parquet'), 'y.parquet has no number'),
        (('x-0-of-3.npy', 'x-2-of-3.npy'), 'number 1 is missing'),
        (('x-0-of-1.npy', 'x-00-of-1.npy'), '2 of 1 shards'),
        (('x-0-of-1.npy', 'x-1-of-1.npy'), '2 of 1 shards'),
        (('x-0-of-1.npy', 'y-0-of-1.npy'), 'x of 1, y of 1'),
        (('x-0-of-1.npy', 'x-0-of-2.npy'), 'x of 1, x of 2'),
    ],
)
def test_find_refuses_shards_that_are_not_whole(tmp_path, names, message):
  _touch(tmp_path, *names)
  with pytest.raises(InputError, match=message) as caught:
    shards.find(tmp_path)
  assert str(tmp_path) in str(caught.value)


def _arrays(folder, *arrays):
  folder.mkdir(exist_ok=True)
  for number, array in enumerate(arrays):
    np.save(folder / f'image-{number}-of-{len(arrays)}.npy', array)
  return FileModality('image', str(folder))


def _tables(folder, *rows):
  folder.mkdir(exist_ok=True)
  for number, shard in enumerate(rows):
    table = {
        'item_id': [_IDS[n] for n in shard],
        'embedding': [_VECTORS[n].tolist() for n in shard],
    }
    pq.write_table(pa.table(table), folder / f'part-{number}.parquet')
  return FileModality('image', str(folder))


def _read(modality):
  dim = given_embeddings.dim(modality)
  vectors = np.zeros((6, dim), np.float32)
  present = np.zeros(6, bool)
  ids = pa.chunked_array([_IDS[:4], _IDS[4:]])
  for rows in given_embeddings.read(modality, ids, dim):
    vectors[rows.items] = rows.vectors
    present[rows.items] = rows.present
  return vectors, present


@pytest.fixture
def small_chunks(monkeypatch):
  monkeypatch.setattr(given_embeddings, '_VALUES_PER_CHUNK', 6)
  monkeypatch.setattr(given_embeddings, '_ROWS_PER_CHUNK', 2)


@pytest.mark.usefixtures('small_chunks')
def test_read_puts_shards_of_arrays_one_after_another(tmp_path):
  modality = _arrays(
      tmp_path / 'x',
      _VECTORS[:3],
      np.asfortranarray(_VECTORS[3:5]),
      _VECTORS[5:],
  )
  np.save(tmp_path / 'x' / 'image-1-of-3.present.npy', np.array([True, False]))
  vectors, present = _read(modality)
  assert present.tolist() == [True, True, True, True, False, True]
  np.testing.assert_array_equal(vectors, _VECTORS * present[:, None])


@pytest.mark.usefixtures('small_chunks')
def test_read_puts_shards_of_tables_into_item_order(tmp_path):
  vectors, present = _read(_tables(tmp_path / 'x', [5, 0, 3], [4, 1]))
  assert present.tolist() == [True, True, False, True, True, True]
  np.testing.assert_array_equal(vectors, _VECTORS * present[:, None])


@pytest.mark.usefixtures('small_chunks')
def test_read_names_the_shard_of_what_is_wrong(tmp_path):
  broken = _VECTORS[3:].copy()
  broken[1, 1] = np.nan
  for name, modality, words in (
      ('a', _arrays(tmp_path / 'a', _VECTORS[:3], _VECTORS[3:5]), '5 rows'),
      (
          'b',
          _arrays(tmp_path / 'b', _VECTORS[:3], _VECTORS[3:, :2]),
          '2 numbers',
      ),
      ('c', _arrays(tmp_path / 'c', _VECTORS[:3], broken), "'i4' holds NaN"),
      ('d', _tables(tmp_path / 'd', [0, 1], [2, 1]), "the first is 'i1'"),
  ):
    with pytest.raises(InputError, match=words) as caught:
      _read(modality)
    where = {
        'a': str(tmp_path / 'a'),
        'b': 'image-1-of-2.npy',
        'c': 'image-1-of-2.npy, row 1',
        'd': 'part-1.parquet, column item_id, row 1',
    }
    assert where[name] in str(caught.value)


def test_build_makes_one_array_of_shards_and_anew_when_one_changes(
    tmp_path, write_items
):
  catalog = write_items(list('abcdef'))
  modality = _arrays(tmp_path / 'x', _VECTORS[:3], _VECTORS[3:])

  def run():
    return build.build(
        tmp_path / 'item_embeddings',
        catalog_directory=catalog,
        modalities=[modality],
    )

  first = run()
  made = store.load(tmp_path / 'item_embeddings')['image']
  np.testing.assert_array_equal(made.vectors, _VECTORS)
  assert sorted(first.inputs) == [
      'image/vectors/image-0-of-2.npy',
      'image/vectors/image-1-of-2.npy',
      'items',
  ]
  assert run() == first
  np.save(tmp_path / 'x' / 'image-1-of-2.npy', -_VECTORS[3:])
  assert run().outputs != first.outputs
