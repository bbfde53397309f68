# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The catalog's items in chunks."""

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import items


@pytest.mark.parametrize('row_group_size', [1, 3, 7, 100])
@pytest.mark.parametrize('num_rows', [1, 4, 100])
@pytest.mark.parametrize('begin', [0, 1, 3, 6, 9, 10])
def test_read_chunks_gives_all_rows_from_the_first_asked_for(
    write_items, row_group_size, num_rows, begin
):
  titles = [f't{n}' for n in range(10)]
  file = items.open_items(write_items(titles, row_group_size))
  chunks = list(items.read_chunks(file, ['title'], num_rows, begin))
  read = [title for chunk in chunks for title in chunk['title'].to_pylist()]
  assert read == titles[begin:]
  assert all(0 < chunk.num_rows <= num_rows for chunk in chunks)


def test_open_items_names_the_missing_file(tmp_path):
  with pytest.raises(InputError) as caught:
    items.open_items(tmp_path)
  assert str(tmp_path / 'items.parquet') in str(caught.value)


def test_open_items_refuses_what_is_no_parquet_file(tmp_path):
  (tmp_path / 'items.parquet').write_text('item_id,title')
  with pytest.raises(InputError, match='cannot be read'):
    items.open_items(tmp_path)


def test_open_items_refuses_an_empty_catalog(write_items):
  with pytest.raises(InputError, match='no items'):
    items.open_items(write_items([]))
