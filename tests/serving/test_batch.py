# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommendations for files of histories."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.serving import batch
from plum_jax.serving import engine as engines
from plum_jax.serving import shard_files
from plum_jax.serving.batch import BatchConfig
from plum_jax.serving.engine import Engine
from plum_jax.serving.engine import EngineConfig
from plum_jax.serving.prompt_format import Histories
from plum_jax.testing import tiny_bundle

_CONFIG = BatchConfig(k=5, batch_size=4, max_history=12)


@pytest.fixture(scope='module')
def engine(tiny):
  return Engine(tiny, EngineConfig((4,), 12, 0))


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch, engine):
  """Hands the engine of the module out wherever its like is made."""

  def make(bundle, config, previous=None, candidates=None):
    return Engine(bundle, config, previous or engine, candidates)

  monkeypatch.setattr(batch, 'Engine', make)


def _histories(seed, n):
  rng = np.random.default_rng(seed)
  return [
      [f'i{item}' for item in rng.integers(0, 24, rng.integers(1, 12))]
      for _ in range(n)
  ]


def _write(path, histories, users=True):
  rows = [
      {'user_id': f'u{n}', 'history': history}
      for n, history in enumerate(histories)
  ]
  if not users:
    rows = [{'history': row['history'], 'extra': 1} for row in rows]
  if path.suffix == '.jsonl':
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  else:
    schema = None if rows else pa.schema({'history': pa.list_(pa.string())})
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
  return rows


def _expected(tiny, engine, history, exclude=True):
  rows = tiny.table.item_rows(history)
  result = engine.start(
      Histories(rows, np.array([0, len(rows)])),
      [rows if exclude else rows[:0]],
      engines.EXCLUDED,
  ).fetch()
  valid = result.valid[0, :5]
  return tiny.table.item_ids.take(
      pa.array(result.item_ids[0, :5][valid])
  ).to_pylist()


def _read(path):
  if path.suffix == '.jsonl':
    return [json.loads(line) for line in path.read_text().splitlines()]
  return pq.read_table(path).to_pylist()


@pytest.mark.parametrize('suffix', ['.parquet', '.jsonl'])
def test_every_row_comes_once_in_order_with_its_items(
    tiny, engine, tmp_path, suffix
):
  inputs = tmp_path / 'in'
  inputs.mkdir()
  first = _write(inputs / f'a{suffix}', _histories(0, 71))
  _write(inputs / f'b{suffix}', _histories(1, 8), users=False)
  _write(inputs / f'c{suffix}', [])
  output = tmp_path / 'out'
  batch.recommend(tiny, f'{inputs}/*{suffix}', output, _CONFIG)
  found = _read(output / f'a{suffix}')
  assert [row['user_id'] for row in found] == [r['user_id'] for r in first]
  for row, given in zip(found, first, strict=True):
    assert row['item_ids'] == _expected(tiny, engine, given['history'])
    assert not set(row['item_ids']) & set(given['history'])
    assert len(row['scores']) == len(row['item_ids']) == 5
    assert row['scores'] == sorted(row['scores'], reverse=True)
    assert row['num_unknown'] == 0
  assert len(_read(output / f'b{suffix}')) == 8
  assert _read(output / f'c{suffix}') == []


def test_killed_run_goes_on_with_the_files_that_are_missing(
    tiny, tmp_path, monkeypatch, caplog
):
  for name in 'abc':
    _write(tmp_path / f'{name}.parquet', _histories(ord(name), 9))
  output, pattern = tmp_path / 'out', f'{tmp_path}/*.parquet'
  written = []
  real = batch._Worker._fetch

  def die(self, *args):
    written.append(args)
    if len(written) == 5:  # Amid the second file.
      raise KeyboardInterrupt
    return real(self, *args)

  monkeypatch.setattr(batch._Worker, '_fetch', die)
  with pytest.raises(KeyboardInterrupt):
    batch.recommend(tiny, pattern, output, _CONFIG)
  names = {path.name for path in output.iterdir()}
  assert names == {'a.parquet', batch.SETTINGS_FILE}
  time = (output / 'a.parquet').stat().st_mtime_ns
  monkeypatch.setattr(batch._Worker, '_fetch', real)
  (output / '.partial-b.parquet-0123').write_bytes(b'PAR1')  # By SIGKILL.
  with caplog.at_level('INFO', 'plum_jax'):
    batch.recommend(tiny, pattern, output, _CONFIG)
  assert '1 of 3 files are done' in caplog.text
  assert (output / 'a.parquet').stat().st_mtime_ns == time
  assert not list(output.glob('.partial-*'))
  whole = tmp_path / 'whole'
  batch.recommend(tiny, pattern, whole, _CONFIG)
  for name in 'abc':
    assert (output / f'{name}.parquet').read_bytes() == (
        whole / f'{name}.parquet'
    ).read_bytes()


def test_outputs_of_another_bundle_are_refused(tiny, tmp_path):
  _write(tmp_path / 'a.jsonl', _histories(0, 3))
  batch.recommend(tiny, f'{tmp_path}/a.jsonl', tmp_path / 'out', _CONFIG)
  other = BatchConfig(k=4, batch_size=4, max_history=12)
  with pytest.raises(InputError, match='something else'):
    batch.recommend(tiny, f'{tmp_path}/a.jsonl', tmp_path / 'out', other)
  with pytest.raises(InputError, match='something else'):
    batch.recommend(tiny, f'{tmp_path}/a.jsonl', tmp_path, _CONFIG)


def test_unknown_items_are_counted_or_refused(tiny, engine, tmp_path):
  path = tmp_path / 'a.jsonl'
  rows = [['i1', 'gone', 'i2'], ['gone', 'lost'], ['i3'], None]
  path.write_text(''.join(json.dumps({'history': r}) + '\n' for r in rows))
  batch.recommend(tiny, str(path), tmp_path / 'out', _CONFIG)
  found = _read(tmp_path / 'out' / 'a.jsonl')
  assert [row['num_unknown'] for row in found] == [1, 2, 0, 0]
  assert found[0]['item_ids'] == _expected(tiny, engine, ['i1', 'i2'])
  # A decoder-only model goes on from its start token.
  assert len(found[1]['item_ids']) == 5
  config = BatchConfig(
      k=5, batch_size=4, max_history=12, unknown_items=batch.ERROR
  )
  with pytest.raises(InputError, match="'gone'") as caught:
    batch.recommend(tiny, str(path), tmp_path / 'strict', config)
  assert 'row 0' in str(caught.value)
  assert not (tmp_path / 'strict' / 'a.jsonl').exists()


def test_encoder_decoder_has_nothing_for_a_history_it_does_not_know(
    tmp_path, monkeypatch
):
  monkeypatch.setattr(batch, 'Engine', Engine)
  tiny_bundle.write(tmp_path / 'b', kind='encoder_decoder')
  from plum_jax.serving import bundle

  path = tmp_path / 'a.jsonl'
  path.write_text('{"history": ["gone"]}\n{"history": ["i1"]}\n')
  batch.recommend(
      bundle.load(tmp_path / 'b'), str(path), tmp_path / 'out', _CONFIG
  )
  found = _read(tmp_path / 'out' / 'a.jsonl')
  assert [len(row['item_ids']) for row in found] == [0, 5]


def test_lists_of_items_hold_for_all_rows(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(batch, 'Engine', Engine)
  path = tmp_path / 'a.parquet'
  _write(path, [['i1', 'i2'], ['i9']])
  allow = ['i1', 'i9', 'i4', 'i5', 'unknown']
  batch.recommend(
      tiny, str(path), tmp_path / 'out', _CONFIG, allow=allow, deny=['i5']
  )
  found = _read(tmp_path / 'out' / 'a.parquet')
  assert [set(row['item_ids']) for row in found] == [
      {'i9', 'i4'},
      {'i1', 'i4'},
  ]


def test_history_that_cannot_be_left_out_is_refused(tiny, tmp_path):
  path = tmp_path / 'a.parquet'
  _write(path, [['i1'], ['i2'] * 13])
  with pytest.raises(InputError, match='13 items') as caught:
    batch.recommend(tiny, str(path), tmp_path / 'out', _CONFIG)
  assert 'row 1' in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('a.jsonl', '{"history": ["i1"]\n'),
        ('a.jsonl', '{"history": [1]}\n'),
        ('a.jsonl', '{"history": "i1"}\n'),
        ('a.jsonl', '{"user_id": 3, "history": ["i1"]}\n'),
        ('a.jsonl', '[]\n'),
        ('a.parquet', 'no parquet'),
        ('a.csv', 'history\n'),
    ],
)
def test_files_that_cannot_be_read_are_refused(tiny, tmp_path, name, text):
  (tmp_path / name).write_text(text)
  with pytest.raises(InputError) as caught:
    batch.recommend(tiny, str(tmp_path / name), tmp_path / 'out', _CONFIG)
  assert name in str(caught.value)


def test_column_history_is_needed(tiny, tmp_path):
  pq.write_table(pa.table({'items': [['i1']]}), tmp_path / 'a.parquet')
  with pytest.raises(InputError, match='no column history'):
    batch.recommend(tiny, f'{tmp_path}/a.parquet', tmp_path / 'out', _CONFIG)


def test_two_inputs_of_one_name_are_refused(tmp_path):
  for folder in 'ab':
    (tmp_path / folder).mkdir()
    (tmp_path / folder / 'x.jsonl').write_text('')
  with pytest.raises(InputError, match='same name'):
    shard_files.find(f'{tmp_path}/*/x.jsonl')
  with pytest.raises(InputError, match='No files'):
    shard_files.find(f'{tmp_path}/*.jsonl')


@pytest.mark.parametrize(
    'changes', [{'k': 11}, {'k': 0}, {'unknown_items': 'drop'}]
)
def test_options_without_such_a_value_are_refused(tiny, tmp_path, changes):
  _write(tmp_path / 'a.jsonl', [['i1']])
  with pytest.raises(InputError, match=next(iter(changes))):
    batch.recommend(
        tiny,
        f'{tmp_path}/a.jsonl',
        tmp_path / 'out',
        BatchConfig(**{'k': 5, 'batch_size': 4, **changes}),
    )
