# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import datetime
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources.files import Files
from plum_jax.catalog.sources.files import InteractionColumns
from plum_jax.catalog.sources.files import ItemColumns
from plum_jax.catalog.sources.files import UserColumns

_ITEMS = [
    {'sku': '007', 'name': 'A, "b"', 'tags': 'x > y|z', 'maker': 'M', 'n': 1},
    {'sku': '8', 'name': '', 'tags': '', 'maker': 'N\nO', 'n': 2},
]
_LOG = [
    {'who': 'u', 'what': '8', 'when': 1700000000123, 'stars': 4.5, 'w': 2},
    {'who': 'v', 'what': '007', 'when': 1700000001000, 'stars': None, 'w': 1},
]
_ITEM_COLUMNS = ItemColumns(
    item_id='sku', title='name', categories='tags', texts=('maker',)
)
_LOG_COLUMNS = InteractionColumns(
    user_id='who', item_id='what', time='when', rating='stars', reward='w'
)


def _csv(rows, delimiter):
  def field(value):
    text = '' if value is None else str(value)
    if any(character in text for character in '",\n\t'):
      text = '"' + text.replace('"', '""') + '"'
    return text

  lines = [rows[0].keys(), *(row.values() for row in rows)]
  return '\n'.join(delimiter.join(map(field, line)) for line in lines) + '\n'


def _write(path, rows):
  name = path.name.removesuffix('.gz')
  if name.endswith('.parquet'):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)
  if name.endswith(('.csv', '.tsv')):
    text = _csv(rows, ',' if name.endswith('.csv') else '\t')
  else:
    text = ''.join(json.dumps(row) + '\n' for row in rows)
  data = text.encode()
  path.write_bytes(gzip.compress(data) if path.suffix == '.gz' else data)
  return str(path)


def _source(folder, suffix='csv', items=None, log=None, **options):
  return Files(
      items=_write(folder / f'items.{suffix}', items or _ITEMS),
      interactions=_write(folder / f'log.{suffix}', log or _LOG),
      **{
          'item_columns': _ITEM_COLUMNS,
          'interaction_columns': _LOG_COLUMNS,
          'time_unit': 'ms',
      }
      | options,
  )


@pytest.mark.parametrize(
    'suffix', ['csv', 'tsv', 'jsonl', 'parquet', 'csv.gz', 'ndjson.gz']
)
def test_every_form_gives_the_same_catalog(tmp_path, suffix):
  catalog = Catalog(*_source(tmp_path, suffix).read())
  assert catalog.items.to_pylist() == [
      {
          'item_id': '007',
          'title': 'A, "b"',
          'categories': [['x', 'y'], ['z']],
          'first_seen': None,
          'maker': 'M',
      },
      {
          'item_id': '8',
          'title': '',
          'categories': [],
          'first_seen': None,
          'maker': 'N\nO',
      },
  ]
  assert catalog.interactions.to_pylist() == [
      {
          'user_id': 'u',
          'item_id': '8',
          'time': 1700000000,
          'rating': 4.5,
          'reward': 2.0,
      },
      {
          'user_id': 'v',
          'item_id': '007',
          'time': 1700000001,
          'rating': None,
          'reward': 1.0,
      },
  ]
  assert catalog.time_kind == 'absolute'


@pytest.mark.parametrize('suffix', ['csv', 'jsonl', 'parquet'])
def test_further_numbers_and_users_come_with_the_catalog(tmp_path, suffix):
  log = [
      row | {'ratio': ratio, 'seconds': 60 + n}
      for n, (row, ratio) in enumerate(zip(_LOG, (0.5, None), strict=True))
  ]
  people = [
      {'name': 'v', 'country': 'NZ', 'age': 31, 'skipped': 1},
      {'name': 'w', 'country': 'IS', 'age': None, 'skipped': 2},
  ]
  source = _source(
      tmp_path,
      suffix,
      log=log,
      interaction_columns=InteractionColumns(
          'who', 'what', 'when', numbers=('ratio', 'seconds')
      ),
      users=_write(tmp_path / f'users.{suffix}', people),
      user_columns=UserColumns('name', texts=('country',), numbers=('age',)),
  )
  assert source.inputs()['users'] == tmp_path / f'users.{suffix}'
  json.dumps(source.parameters())
  catalog = Catalog(*source.read())
  assert catalog.number_columns == ('ratio', 'seconds')
  numbers = catalog.histories.numbers
  assert numbers['seconds'].tolist() == [60, 61]
  assert numbers['ratio'].dtype == np.float32
  np.testing.assert_array_equal(numbers['ratio'], [0.5, np.nan])
  assert catalog.users.to_pylist() == [
      {'user_id': 'v', 'country': 'NZ', 'age': 31.0},
      {'user_id': 'w', 'country': 'IS', 'age': None},
  ]
  catalog.save(tmp_path / 'catalog')
  loaded = Catalog.load(tmp_path / 'catalog')
  assert loaded.users.equals(catalog.users)
  assert loaded.interactions.equals(catalog.interactions)


def test_what_is_not_used_leaves_the_parameters_as_they_were(tmp_path):
  parameters = _source(tmp_path).parameters()
  assert 'user_columns' not in parameters
  assert 'numbers' not in parameters['interaction_columns']


def test_whole_numbers_serve_as_ids(tmp_path):
  items = [row | {'sku': 7 + n} for n, row in enumerate(_ITEMS)]
  log = [row | {'what': 8, 'who': 1} for row in _LOG]
  catalog = Catalog(*_source(tmp_path, 'parquet', items, log).read())
  assert catalog.item_ids == ['7', '8']
  assert catalog.histories.user_ids.tolist() == ['1']


@pytest.mark.parametrize(
    ('tags', 'wanted'),
    [
        ([[['x', 'y']], []], [[['x', 'y']], []]),
        ([['x', ' y'], None], [[['x'], ['y']], []]),
        ([None, None], [[], []]),
        (['x > y', 'z|'], [[['x', 'y']], [['z']]]),
    ],
)
@pytest.mark.parametrize('suffix', ['parquet', 'jsonl'])
def test_categories_come_in_three_forms(tmp_path, suffix, tags, wanted):
  items = [row | {'tags': tag} for row, tag in zip(_ITEMS, tags, strict=True)]
  source = _source(tmp_path, suffix, items)
  assert Catalog(*source.read()).categories == wanted


@pytest.mark.parametrize(
    ('when', 'unit'),
    [
        (datetime.datetime(2023, 11, 14, 22, 13, 20, 999_999), 's'),
        (1700000000.9, 's'),
        (1700000000_999_999, 'us'),
        (1700000000_999_999_999, 'ns'),
    ],
)
def test_times_become_whole_seconds(tmp_path, when, unit):
  log = [row | {'when': when} for row in _LOG]
  source = _source(tmp_path, 'parquet', log=log, time_unit=unit)
  assert source.read().interactions['time'].to_pylist() == [1700000000] * 2


def test_dates_in_csv_become_seconds(tmp_path):
  log = [row | {'when': '2023-11-14 22:13:20'} for row in _LOG]
  assert (
      _source(tmp_path, log=log).read().interactions['time'].to_pylist()
      == [1700000000] * 2
  )


def test_first_seen_and_relative_times_are_taken(tmp_path):
  items = [row | {'born': 5000} for row in _ITEMS]
  columns = ItemColumns('sku', 'name', first_seen='born')
  source = _source(
      tmp_path, items=items, item_columns=columns, relative_times=True
  )
  catalog = Catalog(*source.read())
  assert catalog.items['first_seen'].to_pylist() == [5, 5]
  assert catalog.time_kind == 'relative'


@pytest.mark.parametrize(
    ('row', 'what', 'where'),
    [
        ({'stars': 'NaN'}, 'rating is not a number', 'row 2, column rating'),
        ({'stars': 'inf'}, 'rating is infinite', 'row 2, column rating'),
        ({'stars': 'good'}, 'stars has the type string', 'column stars'),
        ({'when': -1}, 'time -1 is negative', 'row 2, column time'),
        ({'when': None}, 'missing in column time', 'row 2, column time'),
        ({'when': 'NaN'}, 'time is nan', 'row 2, column when'),
        ({'when': 1e300}, 'cannot be read', 'column when'),
        ({'when': 'soon'}, 'when has the type string', 'column when'),
        ({'what': '7'}, "'7' is not in the catalog", 'row 2'),
        ({'who': ''}, 'user_id is empty', 'row 2'),
    ],
)
def test_bad_interaction_in_csv_is_refused(tmp_path, row, what, where):
  source = _source(tmp_path, log=[_LOG[0], _LOG[1] | row])
  with pytest.raises(InputError, match=what) as caught:
    Catalog(*source.read())
  assert where in caught.value.where


@pytest.mark.parametrize('suffix', ['csv', 'jsonl', 'parquet'])
def test_wrong_column_is_refused(tmp_path, suffix):
  columns = InteractionColumns('who', 'what', 'at')
  source = _source(tmp_path, suffix, interaction_columns=columns)
  with pytest.raises(InputError, match='column at is missing; the columns are'):
    source.read()


@pytest.mark.parametrize('suffix', ['csv', 'jsonl', 'parquet'])
def test_unreadable_file_is_refused(tmp_path, suffix):
  source = _source(tmp_path, suffix)
  path = tmp_path / f'items.{suffix}'
  path.write_bytes(b'\xff\xfe"\x00' + path.read_bytes()[:20])
  with pytest.raises(InputError) as caught:
    source.read()
  assert str(path) in caught.value.where


def test_text_column_of_another_type_is_refused(tmp_path):
  items = [row | {'maker': 0.5} for row in _ITEMS]
  with pytest.raises(InputError, match='maker has the type double'):
    _source(tmp_path, 'parquet', items).read()


def test_categories_of_another_type_are_refused(tmp_path):
  items = [row | {'tags': 3} for row in _ITEMS]
  with pytest.raises(InputError, match='categories have the type int64'):
    _source(tmp_path, 'parquet', items).read()


def test_unknown_form_is_refused(tmp_path):
  (tmp_path / 'items.xlsx').write_text('')
  source = Files(str(tmp_path / 'items.xlsx'), str(tmp_path / 'items.xlsx'))
  with pytest.raises(InputError, match=r'not known: items\.xlsx'):
    source.read()


def test_missing_file_is_refused(tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    Files(str(tmp_path / 'a.csv'), str(tmp_path / 'b.csv')).inputs()


@pytest.mark.parametrize(
    ('options', 'what'),
    [
        ({'time_unit': 'days'}, "'days' is no unit"),
        (
            {'interaction_columns': InteractionColumns(time='')},
            'interaction_columns.time is empty',
        ),
        ({'item_columns': ItemColumns('')}, 'item_columns.item_id is empty'),
    ],
)
def test_bad_configuration_is_refused(options, what):
  with pytest.raises(InputError, match=what):
    Files('a.csv', 'b.csv', **options)


def test_name_follows_from_the_folder(tmp_path):
  assert _source(tmp_path).name == tmp_path.name
  assert _source(tmp_path, data_name='shop').name == 'shop'
