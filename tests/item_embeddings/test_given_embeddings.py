# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Embeddings made elsewhere: read whole, or refused with row and item."""

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import given_embeddings
from plum_jax.item_embeddings.modalities import FileModality

_IDS = pa.chunked_array([['a', 'b'], ['c', 'd', 'e']])
_VECTORS = np.arange(15, dtype=np.float32).reshape(5, 3)


def _read(modality):
  """Puts all rows together."""
  dim = given_embeddings.dim(modality)
  vectors = np.zeros((len(_IDS), dim), np.float32)
  present = np.zeros(len(_IDS), np.bool_)
  for rows in given_embeddings.read(modality, _IDS, dim):
    vectors[rows.items] = rows.vectors
    present[rows.items] = rows.present
  return vectors, present


def _assert_refused(modality, *words):
  with pytest.raises(InputError) as caught:
    _read(modality)
  for word in (modality.path, *words):
    assert word in str(caught.value)


def _npy(tmp_path, array):
  np.save(tmp_path / 'image.npy', array)
  return FileModality('image', str(tmp_path / 'image.npy'))


def _parquet(tmp_path, ids, vectors, kind=None, row_group_size=None):
  kind = kind or pa.list_(pa.float32())
  table = pa.table({'item_id': ids, 'embedding': pa.array(vectors, kind)})
  path = tmp_path / 'image.parquet'
  pq.write_table(table, path, row_group_size=row_group_size)
  return FileModality('image', str(path))


@pytest.fixture
def small_chunks(monkeypatch):
  """Lets five rows be several chunks."""
  monkeypatch.setattr(given_embeddings, '_VALUES_PER_CHUNK', 6)
  monkeypatch.setattr(given_embeddings, '_ROWS_PER_CHUNK', 2)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.usefixtures('small_chunks')
def test_read_gives_a_npy_file_in_item_order(tmp_path, dtype):
  vectors, present = _read(_npy(tmp_path, _VECTORS.astype(dtype)))
  np.testing.assert_array_equal(vectors, _VECTORS)
  assert present.all()


@pytest.mark.usefixtures('small_chunks')
def test_read_takes_missing_items_of_a_npy_file_from_beside_it(tmp_path):
  array = _VECTORS.copy()
  array[3] = np.nan
  marks = np.array([True, True, True, False, True])
  np.save(tmp_path / 'image.present.npy', marks)
  vectors, present = _read(_npy(tmp_path, array))
  np.testing.assert_array_equal(present, marks)
  np.testing.assert_array_equal(vectors, _VECTORS * marks[:, None])


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.usefixtures('small_chunks')
def test_read_names_row_and_item_of_a_npy_vector_that_is_not_finite(
    tmp_path, bad
):
  array = _VECTORS.astype(np.float64)
  array[3, 1] = bad
  _assert_refused(_npy(tmp_path, array), 'row 3', "'d'", 'NaN')


def test_read_refuses_a_npy_file_with_another_number_of_rows(tmp_path):
  modality = _npy(tmp_path, _VECTORS[:4])
  _assert_refused(modality, '4 rows', 'expected: 5 rows')


def test_read_refuses_marks_of_another_number_of_rows(tmp_path):
  np.save(tmp_path / 'image.present.npy', np.ones(4, np.bool_))
  modality = _npy(tmp_path, _VECTORS)
  with pytest.raises(InputError, match='4 rows') as caught:
    _read(modality)
  assert 'image.present.npy' in str(caught.value)


@pytest.mark.parametrize(
    'array',
    [
        np.zeros(5, np.float32),
        np.zeros((5, 0), np.float32),
        np.zeros((5, 2), np.int32),
        np.zeros((5, 2, 2), np.float32),
    ],
)
def test_read_refuses_an_array_of_another_kind(tmp_path, array):
  _assert_refused(_npy(tmp_path, array), 'floating point [num_items, dim]')


def test_read_refuses_a_truncated_npy_file(tmp_path):
  modality = _npy(tmp_path, _VECTORS)
  path = tmp_path / 'image.npy'
  path.write_bytes(path.read_bytes()[:-8])
  _assert_refused(modality, 'cannot be read')


def test_read_refuses_a_file_that_is_not_there(tmp_path):
  for name in ('no.npy', 'no.parquet'):
    _assert_refused(FileModality('x', str(tmp_path / name)), 'cannot be read')


@pytest.mark.parametrize(
    'kind',
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float16()),
    ],
)
@pytest.mark.usefixtures('small_chunks')
def test_read_puts_a_parquet_file_into_item_order(tmp_path, kind):
  order = [4, 0, 3, 1]
  modality = _parquet(
      tmp_path,
      [_IDS[n].as_py() for n in order],
      [None if n == 3 else _VECTORS[n].tolist() for n in order],
      kind,
      row_group_size=3,
  )
  vectors, present = _read(modality)
  np.testing.assert_array_equal(present, [True, True, False, False, True])
  np.testing.assert_array_equal(vectors, _VECTORS * present[:, None])


@pytest.mark.usefixtures('small_chunks')
def test_read_takes_lists_of_a_fixed_size_unless_one_is_null(tmp_path):
  kind = pa.list_(pa.float32(), 3)
  ids = _IDS.to_pylist()
  vectors, present = _read(_parquet(tmp_path, ids, list(_VECTORS), kind))
  np.testing.assert_array_equal(vectors, _VECTORS)
  assert present.all()
  modality = _parquet(tmp_path, ['a', 'b'], [_VECTORS[0], None], kind)
  _assert_refused(modality, 'column embedding', 'list<float>')


@pytest.mark.usefixtures('small_chunks')
def test_dim_of_a_parquet_file_skips_rows_without_vector(tmp_path):
  vectors = [None, None, None, [1.0, 2.0]]
  assert given_embeddings.dim(_parquet(tmp_path, list('abcd'), vectors)) == 2
  modality = _parquet(tmp_path, list('ab'), [None, None])
  _assert_refused(modality, 'no vector at all')


@pytest.mark.parametrize('bad', [np.nan, np.inf, None])
@pytest.mark.usefixtures('small_chunks')
def test_read_names_row_and_item_of_a_parquet_vector_that_is_not_finite(
    tmp_path, bad
):
  vectors = [[0.0, 1.0], [1.0, 1.0], [1.0, 1.0], [bad, 1.0]]
  modality = _parquet(tmp_path, list('edcb'), vectors)
  _assert_refused(modality, 'row 3', "'b'", 'NaN')


@pytest.mark.usefixtures('small_chunks')
def test_read_names_an_unknown_item(tmp_path):
  modality = _parquet(tmp_path, ['a', 'b', 'zz'], [[1.0]] * 3)
  _assert_refused(modality, 'row 2', "'zz'", 'catalog')


def test_read_refuses_an_item_without_id(tmp_path):
  modality = _parquet(tmp_path, ['a', None], [[1.0]] * 2)
  _assert_refused(modality, 'row 1', 'None')


@pytest.mark.usefixtures('small_chunks')
def test_read_names_an_item_that_comes_twice(tmp_path):
  modality = _parquet(tmp_path, ['a', 'b', 'c', 'a'], [[1.0]] * 4)
  _assert_refused(modality, 'row 3', "'a'", 'at most once')


@pytest.mark.usefixtures('small_chunks')
def test_read_names_a_vector_of_another_width(tmp_path):
  modality = _parquet(tmp_path, list('abc'), [[1.0, 2.0], None, [1.0]])
  _assert_refused(modality, 'row 2', '1 numbers', '2 numbers')


def test_read_refuses_columns_that_are_not_there_or_no_vectors(tmp_path):
  modality = _parquet(tmp_path, ['a'], [[1.0]])
  for name, words in (('x', "'x'"), ('item_id', 'lists of floats')):
    _assert_refused(FileModality('image', modality.path, column=name), words)
  wrong = FileModality('image', modality.path, id_column='sku')
  _assert_refused(wrong, "'sku'", 'embedding')
