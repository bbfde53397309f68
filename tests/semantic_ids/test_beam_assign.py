# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The Beam pipeline gives the table that one process gives."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import beam_assign
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_kinds


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
  """Makes 50 items four ranges, the last one shorter."""
  monkeypatch.setattr(assign, 'CHUNK_ITEMS', 8)


def _make(run, **values):
  return beam_assign.make_table(
      run / 'beam' / 'sid_table.parquet',
      tokenizer_directory=run / 'tokenizer',
      embeddings_directory=run / 'item_embeddings',
      catalog_directory=run / 'catalog',
      range_chunks=2,
      **values,
  )


def _make_in_one_process(run, kind):
  tokenizer = tokenizer_kinds.load(run / 'tokenizer')
  embeddings = inputs.load(run / 'item_embeddings')
  next_codes = None
  if kind == collisions.NEAREST_FREE:
    next_codes = collisions.choices_of(tokenizer, embeddings)
  table = sid_table.make(
      pq.read_table(run / 'catalog' / 'items.parquet')['item_id'],
      assign.assign(tokenizer, embeddings).codes,
      codebook_sizes=tokenizer.codebook_sizes,
      tokenizer_hash=tokenizers.tokenizer_hash(run / 'tokenizer'),
      next_codes=next_codes,
  )
  table.save(run / 'sid_table.parquet')


@pytest.mark.parametrize('kind', collisions.KINDS)
def test_pipeline_gives_the_table_of_one_process(small_run, kind):
  _make_in_one_process(small_run, kind)
  table = _make(small_run, collisions=kind)
  folder = small_run / 'beam'
  assert [path.name for path in folder.iterdir()] == ['sid_table.parquet']
  written = (folder / 'sid_table.parquet').read_bytes()
  assert written == (small_run / 'sid_table.parquet').read_bytes()
  assert table.collisions == kind
  assert 5 < len(np.unique(table.tokenizer_codes, axis=0)) < 49


def test_ranges_are_spread_over_shards_of_codes(small_run, monkeypatch):
  ranges = []
  chunks = assign.chunks

  def record(*args, begin, end):
    ranges.append((begin, end))
    return chunks(*args, begin=begin, end=end)

  monkeypatch.setattr(assign, 'chunks', record)
  (small_run / 'shards').mkdir()
  beam_assign.write_shards(
      small_run / 'shards',
      tokenizer_directory=small_run / 'tokenizer',
      embeddings_directory=small_run / 'item_embeddings',
      num_items=50,
      range_chunks=2,
  )
  assert sorted(ranges) == [(0, 16), (16, 32), (32, 48), (48, 50)]
  rows = pq.read_table(small_run / 'shards')['row']
  assert sorted(rows.to_pylist()) == list(range(50))


def test_embeddings_of_another_catalog_are_refused(small_run):
  pq.write_table(
      pa.table({'item_id': [f'other {i}' for i in range(50)]}),
      small_run / 'catalog' / 'items.parquet',
  )
  with pytest.raises(InputError, match='made with another items'):
    _make(small_run)


def _worker(run):
  return beam_assign._AssignRange(
      str(run / 'tokenizer'),
      str(run / 'item_embeddings'),
      tokenizers.tokenizer_hash(run / 'tokenizer'),
  )


def test_worker_with_another_tokenizer_refuses(small_run, write_tokenizer):
  worker = _worker(small_run)
  worker.setup()
  write_tokenizer(small_run / 'tokenizer', seed=1)
  with pytest.raises(InputError, match='another tokenizer'):
    worker.setup()


def test_worker_names_the_row_that_is_not_finite(small_run):
  path = small_run / 'item_embeddings' / 'text.npy'
  array = np.load(path)
  array[37, 1] = np.nan
  np.save(path, array)
  worker = _worker(small_run)
  worker.setup()
  with pytest.raises(InputError, match='not finite') as caught:
    list(worker.process((32, 48)))
  assert 'row 37' in str(caught.value)


def test_failed_pipeline_leaves_nothing_behind(small_run, monkeypatch):
  def fail(directory, **_):
    (pathlib.Path(directory) / 'codes-00000-of-00002.parquet').touch()
    raise RuntimeError('a worker is lost')

  monkeypatch.setattr(beam_assign, 'write_shards', fail)
  with pytest.raises(RuntimeError, match='lost'):
    _make(small_run)
  assert not list((small_run / 'beam').iterdir())


@pytest.mark.parametrize(
    ('rows', 'message'),
    [([0, 1], '1 items got no codes'), ([0, 1, 1, 2], '1 got them more')],
)
def test_shards_that_are_not_all_items_are_refused(tmp_path, rows, message):
  pq.write_table(
      pa.table({'row': rows, 'codes': [[1, 2]] * len(rows)}),
      tmp_path / 'codes-00000-of-00001.parquet',
  )
  with pytest.raises(InputError, match=message):
    beam_assign.read_shards(tmp_path, 3, 2)
