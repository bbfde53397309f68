# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import csv
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import build_impressions
from plum_jax.catalog import impressions
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.impressions import Label
from plum_jax.catalog.sources.impression_source import ImpressionFile
from plum_jax.catalog.sources.impression_source import RatedInteractions

_ROWS = [
    {'who': 7, 'at': 'b', 'what': 'a', 'when': 30, 'hit': 1, 'share': 0.5},
    {'who': 7, 'at': None, 'what': 'b', 'when': 10, 'hit': 0, 'share': None},
    {'who': 8, 'at': 'a', 'what': 'c', 'when': 20, 'hit': 1, 'share': 0.25},
]
_NAMES = {
    'user_id': 'who',
    'item_id': 'what',
    'time': 'when',
    'current_item_id': 'at',
    'binary_labels': ('hit',),
    'graded_labels': ('share',),
}


@pytest.fixture(name='catalog')
def catalog_fixture(tmp_path):
  """Items a, b, c; user u rated a with 5, then b with 2, then c with 4."""
  names = pa.array(['a', 'b', 'c'])
  directory = tmp_path / 'catalog'
  Catalog(
      tables.make_items(names, names),
      tables.make_interactions(
          pa.array(['u', 'u', 'u', 'v']),
          pa.array(['a', 'b', 'c', 'a']),
          pa.array([1, 2, 3, 4]),
          time_kind='absolute',
          ratings=pa.array([5, 2, 4, None], pa.float32()),
      ),
  ).save(directory)
  return directory


def _write(path: pathlib.Path, rows) -> str:
  if path.suffix == '.parquet':
    pq.write_table(pa.Table.from_pylist(rows), path)
  elif path.suffix == '.csv':
    with open(path, 'w', newline='', encoding='utf-8') as file:
      writer = csv.DictWriter(file, rows[0])
      writer.writeheader()
      writer.writerows(rows)
  else:
    text = ''.join(json.dumps(row) + '\n' for row in rows)
    path.write_text(text, encoding='utf-8')
  return str(path)


@pytest.mark.parametrize('suffix', ['csv', 'jsonl', 'parquet'])
def test_own_table_is_read_in_order_of_time(suffix, catalog, tmp_path):
  path = _write(tmp_path / f'log.{suffix}', _ROWS)
  found = ImpressionFile(path, **_NAMES).read(catalog)
  assert found.times.tolist() == [10, 20, 30]
  assert found.users.tolist() == [0, 1, 0]
  assert found.items.tolist() == [1, 2, 0]
  assert found.current_items.tolist() == [-1, 0, 1]
  assert found.labels == (Label('hit', 'binary'), Label('share', 'graded'))
  np.testing.assert_array_equal(
      found.values, [[0, np.nan], [1, 0.25], [1, 0.5]]
  )


def test_truth_values_are_labels(catalog, tmp_path):
  rows = [{**row, 'hit': bool(row['hit'])} for row in _ROWS]
  path = _write(tmp_path / 'log.parquet', rows)
  found = ImpressionFile(path, **_NAMES).read(catalog)
  assert found.values[:, 0].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'what': 'x'}, "item 'x' is not in the catalog"),
        ({'when': None}, 'missing in column when'),
        ({'what': None}, 'missing in column what'),
        ({'at': 'x'}, "item 'x' is not in the catalog"),
        ({'hit': 3}, 'binary label hit is 3.0'),
    ],
)
def test_bad_row_is_refused(change, message, catalog, tmp_path):
  rows = [*_ROWS[:2], {**_ROWS[2], **change}]
  path = _write(tmp_path / 'log.parquet', rows)
  with pytest.raises(InputError, match=message):
    build_impressions.build(
        tmp_path / 'impressions',
        catalog_directory=catalog,
        source=ImpressionFile(path, **_NAMES),
    )
  assert not (tmp_path / 'impressions').exists()


def test_missing_file_and_column_are_refused(catalog, tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    ImpressionFile(str(tmp_path / 'no.csv')).inputs()
  path = _write(tmp_path / 'log.csv', _ROWS)
  with pytest.raises(InputError, match='column user_id'):
    ImpressionFile(path).read(catalog)


def test_table_without_a_binary_label_is_refused():
  with pytest.raises(InputError, match='cannot be used'):
    ImpressionFile('log.csv', binary_labels=())


def test_ratings_are_impressions_given_the_history(catalog, tmp_path):
  build_impressions.build(
      tmp_path / 'impressions',
      catalog_directory=catalog,
      source=RatedInteractions(),
  )
  found = impressions.load(tmp_path / 'impressions', 3)
  assert found.items.tolist() == [0, 1, 2]  # v's has no rating.
  np.testing.assert_array_equal(found.values, [[1, 5], [0, 2], [1, 4]])
  assert found.current_items.tolist() == [-1, 0, 0]


def test_catalog_without_ratings_is_refused(catalog):
  loaded = Catalog.load(catalog)
  none = pa.nulls(loaded.num_interactions, pa.float32())
  index = loaded.interactions.column_names.index('rating')
  Catalog(
      loaded.items, loaded.interactions.set_column(index, 'rating', none)
  ).save(catalog)
  with pytest.raises(InputError, match='has a rating'):
    RatedInteractions().read(catalog)
