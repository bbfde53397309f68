# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog import users
from plum_jax.catalog.catalog import Catalog


def _items(item_ids=('a', 'b'), titles=('A', 'B'), **columns):
  return tables.make_items(
      pa.array(item_ids, pa.string()),
      pa.array(titles, pa.string()),
      pa.array([[['x', 'y']], None], tables.ITEM_FIELDS[2].type),
      **columns,
  )


def _interactions(**columns):
  values = {
      'user_ids': ['u', 'u', 'v'],
      'item_ids': ['b', 'a', 'a'],
      'times': [5, 3, 4],
      'ratings': [1.0, None, 2.5],
      'time_kind': 'absolute',
  } | columns
  types = {
      'user_ids': pa.string(),
      'item_ids': pa.string(),
      'times': pa.int64(),
      'ratings': pa.float32(),
  }
  arrays = {name: pa.array(values[name], type) for name, type in types.items()}
  return tables.make_interactions(**arrays, time_kind=values['time_kind'])


def _catalog(items=None, interactions=None):
  return Catalog(
      _items() if items is None else items,
      _interactions() if interactions is None else interactions,
  )


def test_load_gives_back_what_was_saved(tmp_path):
  catalog = _catalog(_items(brand=pa.array([None, 'z'], pa.string())))
  catalog.save(tmp_path)
  assert sorted(path.name for path in tmp_path.iterdir()) == [
      'interactions.parquet',
      'items.parquet',
  ]
  loaded = Catalog.load(tmp_path)
  assert loaded.items.equals(catalog.items)
  assert loaded.interactions.equals(catalog.interactions)
  assert loaded.time_kind == 'absolute'
  assert loaded.text_fields == ('brand',)
  assert loaded.categories == [[['x', 'y']], []]
  assert loaded.item_ids == ['a', 'b']
  assert loaded.titles == ['A', 'B']
  assert (loaded.num_items, loaded.num_interactions) == (2, 3)
  assert loaded.item_numbers(['b', 'a', 'b']).tolist() == [1, 0, 1]


def test_saving_twice_gives_the_same_bytes(tmp_path):
  for name in 'ab':
    _catalog().save(tmp_path / name)
  for file in ('items.parquet', 'interactions.parquet'):
    assert (tmp_path / 'a' / file).read_bytes() == (
        tmp_path / 'b' / file
    ).read_bytes()


def test_item_numbers_names_an_unknown_item():
  with pytest.raises(InputError, match="'c' is not in the catalog"):
    _catalog().item_numbers(['a', 'c'])


@pytest.mark.parametrize(
    ('make', 'what', 'where'),
    [
        (lambda: _items(['a', 'a']), "item id 'a' occurs 2", 'rows 1 and 2'),
        (lambda: _items(['a', '']), 'item_id is empty', 'row 2'),
        (lambda: _items(['a', None]), 'missing in column item_id', 'row 2'),
        (
            lambda: _items(first_seen=pa.array([None, -1], pa.int64())),
            'time -1 is negative',
            'row 2, column first_seen',
        ),
        (
            lambda: _items().drop_columns(['title']),
            'columns are item_id, categories, first_seen',
            'items',
        ),
        (
            lambda: _items().append_column('item_id', pa.array(['x', 'y'])),
            'columns are item_id, title, categories, first_seen, item_id',
            'items',
        ),
        (
            lambda: _items().append_column('price', pa.array([1.0, 2.0])),
            'price has the type double',
            'column price',
        ),
        (
            lambda: _items().set_column(
                2, 'categories', pa.array([['x'], ['y']])
            ),
            'categories has the type list<',
            'column categories',
        ),
        (
            lambda: _items().set_column(
                2, 'categories', pa.array([[['x', None]], []])
            ),
            'category is null',
            'column categories',
        ),
    ],
)
def test_catalog_refuses_items(make, what, where):
  with pytest.raises(InputError, match=what) as caught:
    _catalog(items=make())
  assert where in caught.value.where


@pytest.mark.parametrize(
    ('make', 'what', 'where'),
    [
        (
            lambda: _interactions(item_ids=['a', 'c', 'd']),
            "item 'c' is not in the catalog; 2 interactions",
            'row 2, column item_id',
        ),
        (
            lambda: _interactions(ratings=[1, 2, float('nan')]),
            'rating is not a number',
            'row 3, column rating',
        ),
        (
            lambda: _interactions(ratings=[1, float('-inf'), None]),
            'rating is infinite',
            'row 2, column rating',
        ),
        (
            lambda: _interactions(times=[1, -5, 0]),
            'time -5 is negative',
            'row 2, column time',
        ),
        (
            lambda: _interactions(times=[1, None, 0]),
            'missing in column time',
            'row 2, column time',
        ),
        (
            lambda: _interactions(user_ids=['', 'u', 'u']),
            'user_id is empty',
            'row 1, column user_id',
        ),
        (
            lambda: _interactions().drop_columns(['rating']),
            'columns are user_id, item_id, time, reward',
            'interactions',
        ),
        (
            lambda: _interactions().append_column('x', pa.array([1, 2, 3])),
            'column x has the type int64',
            'column x',
        ),
        (
            lambda: _interactions().append_column(
                'watch', pa.array([1, float('nan'), None], pa.float32())
            ),
            'watch is not a number',
            'row 2, column watch',
        ),
        (
            lambda: _interactions().append_column(
                'watch time', pa.array([1, 2, 3], pa.float32())
            ),
            "'watch time' cannot name a column",
            'column watch time',
        ),
        (
            lambda: _interactions().set_column(
                2, 'time', pa.array([1.0, 2.0, 3.0])
            ),
            'time has the type double',
            'column time',
        ),
        (
            lambda: _interactions().slice(0, 0),
            'no interactions',
            'interactions',
        ),
        (
            lambda: _interactions(time_kind='other'),
            'what its times count from',
            'time_kind',
        ),
    ],
)
def test_catalog_refuses_interactions(make, what, where):
  with pytest.raises(InputError, match=what) as caught:
    _catalog(interactions=make())
  assert where in caught.value.where


def _users(user_ids=('v', 'x'), **columns):
  return users.make_users(pa.array(user_ids, pa.string()), **columns)


@pytest.mark.parametrize(
    ('make', 'what', 'where'),
    [
        (lambda: _users(['v', 'v']), "user id 'v' occurs 2", 'rows 1 and 2'),
        (lambda: _users(['v', '']), 'user_id is empty', 'row 2'),
        (lambda: _users(['1', '2']), 'No user of the interactions', 'users'),
        (
            lambda: _users(
                numbers={'age': pa.array([1, float('inf')], pa.float32())}
            ),
            'age is infinite',
            'row 2, column age',
        ),
        (
            lambda: _users().append_column('age', pa.array([1, 2])),
            'age has the type int64',
            'column age',
        ),
        (
            lambda: _users().rename_columns(['user']),
            'columns are user',
            'users',
        ),
    ],
)
def test_catalog_refuses_users(make, what, where):
  with pytest.raises(InputError, match=what) as caught:
    Catalog(_items(), _interactions(), make())
  assert where in caught.value.where


def test_other_rewards_change_the_histories_and_nothing_else():
  catalog = _catalog()
  changed = catalog.with_rewards(np.array([3, 4, 5], np.float32))
  # User u took item a first, in the second row.
  assert changed.histories.rewards.tolist() == [4, 3, 5]
  assert changed.time_kind == 'absolute'
  assert changed.interactions.drop_columns(['reward']).equals(
      catalog.interactions.drop_columns(['reward'])
  )


def test_load_says_that_the_stage_has_not_run(tmp_path):
  with pytest.raises(InputError, match='no such file') as caught:
    Catalog.load(tmp_path)
  assert str(tmp_path / 'items.parquet') in caught.value.where


@pytest.mark.parametrize('content', [b'', b'not a table', None])
def test_load_refuses_an_unreadable_file(tmp_path, content):
  _catalog().save(tmp_path)
  path = tmp_path / 'interactions.parquet'
  if content is None:
    content = path.read_bytes()[:-20]
  path.write_bytes(content)
  with pytest.raises(InputError, match='cannot be read') as caught:
    Catalog.load(tmp_path)
  assert caught.value.where == str(path)


def test_load_refuses_a_wrong_column_and_names_the_file(tmp_path):
  _catalog().save(tmp_path)
  table = _interactions().rename_columns(
      ['user', 'item_id', 'time', 'rating', 'reward']
  )
  pq.write_table(table, tmp_path / 'interactions.parquet')
  with pytest.raises(InputError, match='columns are user, item_id') as caught:
    Catalog.load(tmp_path)
  assert str(tmp_path) in caught.value.where
