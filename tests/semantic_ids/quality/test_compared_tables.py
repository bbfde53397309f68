# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SID tables of every form, brought into the order of a catalog."""

import json

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.quality import compared_tables

_CODES = np.array([[0, 1], [1, 0], [0, 1], [2, 2]])


def _table(item_ids='abcd', **kwargs):
  return sid_table.make(
      list(item_ids),
      _CODES,
      codebook_sizes=(3, 4),
      tokenizer_hash='hash',
      **kwargs,
  )


def _folder(path, errors=(0.5, 0.25)):
  folder = path / 'mine' / 'semantic_ids'
  folder.mkdir(parents=True)
  _table().save(folder / 'sid_table.parquet')
  figures = {
      f'semantic_ids/reconstruction_error_level_{level}': error
      for level, error in enumerate(errors, start=1)
  }
  (folder / 'quality.json').write_text(json.dumps(figures))
  return folder


def _tsv(path, text):
  file = path / 'published.tsv'
  file.write_text(text)
  return file


def test_folder_gives_codes_in_the_order_of_the_catalog(tmp_path):
  found = compared_tables.load(_folder(tmp_path), ['d', 'a', 'c'])
  assert found.name == 'mine'
  assert found.codes.tolist() == [[2, 2], [0, 1], [0, 1]]
  assert found.full_codes.tolist() == [[2, 2, 0], [0, 1, 0], [0, 1, 1]]
  assert found.codebook_sizes == (3, 4)
  assert found.codebook_sizes_known
  assert found.reconstruction_errors == (0.5, 0.25)
  assert found.num_ignored == 1
  assert found.num_moved == 0


def test_parquet_file_alone_has_no_reconstruction_error(tmp_path):
  path = _folder(tmp_path) / 'sid_table.parquet'
  found = compared_tables.load(path, list('abcd'))
  assert found.reconstruction_errors is None
  assert found.num_ignored == 0


def test_codes_are_those_before_collisions_were_resolved(tmp_path):
  def next_codes(rows, blocked):
    del blocked
    return np.full((len(rows), 1), 3, np.int32)

  table = _table(next_codes=next_codes)
  assert table.codes.tolist() != _CODES.tolist()
  table.save(tmp_path / 'free.parquet')
  found = compared_tables.load(tmp_path / 'free.parquet', list('abcd'))
  assert found.codes.tolist() == _CODES.tolist()
  assert found.full_codes.tolist() == table.codes.tolist()
  assert found.num_moved == 1


@pytest.mark.parametrize(
    'text',
    [
        'b\t1 0\na\t0 12\n',
        'a\t0,12\nb\t1,0\n',
        'a\t <a_0>  <b_12>\nb\t<a_1> <b_0>\nextra\t<a_7> <b_0>\n',
        'a\t<sid_1_0><sid_2_12>\nb\t<sid_1_1><sid_2_0>\n'.replace('><', '> <'),
    ],
)
def test_published_codes_are_read_in_every_form(tmp_path, text):
  found = compared_tables.load(_tsv(tmp_path, text), ['a', 'b'])
  assert found.name == 'published'
  assert found.codes.tolist() == [[0, 12], [1, 0]]
  assert found.codebook_sizes == ((8, 13) if 'extra' in text else (2, 13))
  assert not found.codebook_sizes_known
  assert found.reconstruction_errors is None
  assert found.num_ignored == text.count('extra')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a\t0 1\nb\t1\n', 'line 2'),
        ('a\t0 1\nb\t1 x\n', "'x' is no code"),
        ('a\t0 1\nb\t1 -2\n', "'-2' is no code"),
        ('a\t0 1\nb\t\n', "'' is no code"),
        ('a\t0 1\nb\t1 1\na\t0 0\n', 'line 3'),
        ('a 0 1\n', 'cannot be read'),
        ('', 'cannot be read'),
        ('a\t0 1\n', "'b'"),
    ],
)
def test_published_codes_that_cannot_be_used_are_refused(
    tmp_path, text, message
):
  with pytest.raises(InputError) as caught:
    compared_tables.load(_tsv(tmp_path, text), ['a', 'b'])
  assert message in str(caught.value)
  assert 'published.tsv' in str(caught.value)


def test_table_that_lacks_items_of_the_catalog_is_refused(tmp_path):
  with pytest.raises(InputError, match="2 of the 4 items .* first is 'x'"):
    compared_tables.load(_folder(tmp_path), ['a', 'x', 'b', 'y'])


@pytest.mark.parametrize('name', ['missing', 'table.npy'])
def test_what_is_no_table_is_refused(tmp_path, name):
  (tmp_path / 'table.npy').write_text('')
  with pytest.raises(InputError, match='SID table|endings|not known'):
    compared_tables.load(tmp_path / name, ['a'])


def test_folder_without_errors_of_all_levels_is_refused(tmp_path):
  with pytest.raises(InputError, match='reconstruction'):
    compared_tables.load(_folder(tmp_path, errors=(0.5,)), list('abcd'))


def test_equal_names_are_told_apart(tmp_path):
  path = _folder(tmp_path)
  tables = [compared_tables.load(path, ['a'])] * 3
  names = [table.name for table in compared_tables.name_apart(tables)]
  assert names == ['mine', 'mine (2)', 'mine (3)']


@pytest.mark.shared_data
def test_codes_that_others_published_for_beauty_are_read(shared_data):
  path = shared_data / 'amazon2014_beauty' / 'published_semantic_ids.tsv'
  ids = [line.split('\t')[0] for line in path.read_text().splitlines()]
  found = compared_tables.load(path, ids[::-1])
  assert found.codes.shape == (12_101, 4)
  assert len(np.unique(found.codes, axis=0)) == 12_088
  assert found.codebook_sizes == (256, 256, 256, 256)
  assert found.codes[-1].tolist() == [183, 70, 232, 6]
