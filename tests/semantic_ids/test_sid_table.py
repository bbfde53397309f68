# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer

_CODES = np.array([[3, 0], [1, 1], [3, 0], [0, 1], [3, 0]], np.int32)


def _make(codes=_CODES, ids='abcde', **changes):
  return sid_table.make(
      list(ids),
      codes,
      **{'codebook_sizes': (4, 2), 'tokenizer_hash': 'h', **changes},
  )


def test_make_numbers_collisions_in_the_order_of_the_items():
  table = _make()
  assert table.disambiguation.tolist() == [0, 0, 1, 0, 2]
  assert table.full_codes.tolist()[4] == [3, 0, 2]
  assert table.level_sizes == (4, 2, 16)


def test_make_leaves_room_for_twice_the_largest_group():
  table = _make(np.zeros((20, 2)), [str(i) for i in range(20)])
  assert table.disambiguation_size == 64
  assert _make(disambiguation_size=3).level_sizes == (4, 2, 3)


def test_sids_of_and_rows_of_sids_are_inverse_to_each_other():
  table = _make()
  sids = table.sids_of(['e', 'b'])
  assert sids.tolist() == [[3, 0, 2], [1, 1, 0]]
  assert table.rows_of_sids(sids).tolist() == [4, 1]
  assert table.rows_of_sids([[[3, 0, 3], [3, 1, 0]]]).tolist() == [[-1, -1]]
  assert table.item_rows(['d', 'x']).tolist() == [3, -1]
  with pytest.raises(InputError, match="'x' has no Semantic ID"):
    table.sids_of(['a', 'x'])


def test_load_gives_back_what_was_saved(tmp_path):
  path = tmp_path / 'sid_table.parquet'
  table = _make()
  table.save(path)
  loaded = sid_table.load(path)
  assert loaded.item_ids.to_pylist() == list('abcde')
  np.testing.assert_array_equal(loaded.full_codes, table.full_codes)
  assert loaded.codes.dtype == loaded.disambiguation.dtype == np.int32
  for name in (
      'codebook_sizes',
      'disambiguation_size',
      'tokenizer_hash',
      'version',
  ):
    assert getattr(loaded, name) == getattr(table, name)
  first = path.read_bytes()
  loaded.save(path)
  assert path.read_bytes() == first


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'ids': 'abcda'}, "The item 'a' is in rows 0 and 4"),
        ({'ids': ['', 'b', 'c', 'd', 'e']}, 'row 0 is empty'),
        ({'ids': 'abcd'}, '4 item ids do not go with codes'),
        ({'codebook_sizes': (3, 2)}, 'The code 3 of level 1 is out of range'),
        ({'codebook_sizes': (4,)}, 'for 1 levels'),
        ({'disambiguation_size': 2}, '3 items have the same codes'),
    ],
)
def test_make_refuses_what_is_no_table(changes, message):
  with pytest.raises(InputError, match=message):
    _make(**changes)


def _rewrite(path, column, values):
  table = pq.read_table(path)
  index = table.schema.get_field_index(column)
  kind = table.schema.field(column).type
  array = pa.array(values, kind) if isinstance(values, list) else values
  table = table.set_column(index, column, array)
  pq.write_table(table, path)


@pytest.mark.parametrize(
    ('column', 'values', 'message'),
    [
        ('disambiguation', [0, 0, 0, 0, 2], "'a' and 'c' have the same full"),
        ('disambiguation', [0, 0, 1, 0, 99], 'level 3 is out of range'),
        ('disambiguation', [0, 0, 1, None, 2], '1 values are null'),
        ('codes', [[3, 0], [1, -1], [3, 0], [0, 1], [3, 0]], 'The code -1'),
        ('item_id', list('abcdd'), "The item 'd' is in rows 3 and 4"),
        ('item_id', pa.array([1, 2, 3, 4, 5]), 'The columns are'),
    ],
)
def test_load_refuses_a_table_that_was_tampered_with(
    tmp_path, column, values, message
):
  path = tmp_path / 'sid_table.parquet'
  _make().save(path)
  _rewrite(path, column, values)
  with pytest.raises(InputError, match=message) as caught:
    sid_table.load(path)
  assert str(path) in str(caught.value)


def test_load_refuses_files_that_are_no_sid_table(tmp_path):
  path = tmp_path / 'sid_table.parquet'
  with pytest.raises(InputError, match='cannot be read'):
    sid_table.load(path)
  path.write_bytes(b'PAR1 truncated')
  with pytest.raises(InputError, match='cannot be read'):
    sid_table.load(path)
  pq.write_table(pa.table({'item_id': ['a']}), path)
  with pytest.raises(InputError, match='schema metadata'):
    sid_table.load(path)
  metadata = {
      'format': 1,
      'codebook_sizes': [4],
      'disambiguation_size': 2,
      'tokenizer_hash': '',
      'version': 1,
  }
  table = pa.table({'item_id': ['a']}).replace_schema_metadata(
      {'plum_jax.sid_table': json.dumps(metadata)}
  )
  pq.write_table(table, path)
  with pytest.raises(InputError, match='The columns are'):
    sid_table.load(path)


def _lowest_free(rows, blocked):
  del rows
  return np.argmin(blocked, axis=1)[:, None]


def _make_nearest_free(codes=((3, 0), (1, 1), (3, 0), (3, 2))):
  return _make(
      np.array(codes),
      'abcd'[: len(codes)],
      codebook_sizes=(4, 3),
      next_codes=_lowest_free,
  )


def test_make_with_next_codes_has_no_disambiguation_level():
  table = _make_nearest_free()
  assert table.collisions == collisions.NEAREST_FREE
  assert _make().collisions == collisions.DISAMBIGUATION
  assert table.disambiguation_size == 0
  assert table.level_sizes == table.codebook_sizes == (4, 3)
  assert table.full_codes.tolist() == [[3, 0], [1, 1], [3, 1], [3, 2]]
  assert table.tokenizer_codes.tolist() == [[3, 0], [1, 1], [3, 0], [3, 2]]
  assert table.rows_of_sids([[3, 1], [3, 2], [0, 0]]).tolist() == [2, 3, -1]
  np.testing.assert_array_equal(_make().tokenizer_codes, _CODES)


def test_load_gives_back_a_table_without_disambiguation(tmp_path):
  path = tmp_path / 'sid_table.parquet'
  table = _make_nearest_free()
  table.save(path)
  assert pq.read_schema(path).names == ['item_id', 'codes', 'natural_last_code']
  loaded = sid_table.load(path)
  np.testing.assert_array_equal(loaded.full_codes, table.full_codes)
  np.testing.assert_array_equal(loaded.tokenizer_codes, table.tokenizer_codes)
  assert loaded.tokenizer_codes.dtype == np.int32
  assert loaded.disambiguation.tolist() == [0] * 4
  assert loaded.level_sizes == (4, 3)
  first = path.read_bytes()
  loaded.save(path)
  assert path.read_bytes() == first
  _rewrite(path, 'natural_last_code', [0, 1, 3, 2])
  with pytest.raises(InputError, match='The code 3 of level 2'):
    sid_table.load(path)


@pytest.mark.parametrize(
    ('codes', 'message'),
    [
        ([[3, 0]] * 4, '4 items share their first codes'),
        ([[3, 0], [4, 0]], 'The code 4 of level 1 is out of range'),
        ([[3, 0], [3, -1]], 'The code -1 of level 2 is out of range'),
    ],
)
def test_make_with_next_codes_refuses_what_is_no_table(codes, message):
  with pytest.raises(InputError, match=message):
    _make_nearest_free(codes)


def test_load_reads_the_first_format(tmp_path):
  path = tmp_path / 'sid_table.parquet'
  metadata = {
      'format': 1,
      'codebook_sizes': [4, 2],
      'disambiguation_size': 16,
      'tokenizer_hash': 'h',
      'version': 1,
  }
  pq.write_table(
      pa.table(
          {
              'item_id': list('abcde'),
              'codes': pa.array(_CODES.tolist(), pa.list_(pa.int32(), 2)),
              'disambiguation': pa.array([0, 0, 1, 0, 2], pa.int32()),
          }
      ).replace_schema_metadata({'plum_jax.sid_table': json.dumps(metadata)}),
      path,
  )
  loaded, table = sid_table.load(path), _make()
  np.testing.assert_array_equal(loaded.full_codes, table.full_codes)
  np.testing.assert_array_equal(loaded.tokenizer_codes, _CODES)
  assert loaded.level_sizes == table.level_sizes
  assert loaded.item_ids.equals(table.item_ids)
  metadata['format'] = 3
  pq.write_table(
      pq.read_table(path).replace_schema_metadata(
          {'plum_jax.sid_table': json.dumps(metadata)}
      ),
      path,
  )
  with pytest.raises(InputError, match='format 3 is not known'):
    sid_table.load(path)


def test_load_names_both_files_when_the_tokenizer_is_another(tmp_path):
  path = tmp_path / 'sid_table.parquet'
  folder = tmp_path / 'tokenizer'
  folder.mkdir()
  (folder / 'config.json').write_text('one')
  _make(tokenizer_hash=tokenizer.tokenizer_hash(folder)).save(path)
  sid_table.load(path, tokenizer_directory=folder)
  (folder / 'config.json').write_text('other')
  with pytest.raises(InputError) as caught:
    sid_table.load(path, tokenizer_directory=folder)
  assert str(path) in str(caught.value)
  assert str(folder) in str(caught.value)
