# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Fields of items to texts."""

from hypothesis import given
from hypothesis import strategies as st
import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import item_texts
from plum_jax.item_embeddings.modalities import TextModality

_PATHS = pa.list_(pa.list_(pa.string()))
_ITEMS = pa.table(
    {
        'item_id': ['a', 'b', 'c', 'd'],
        'title': ['Heat', 'Alien', '', ' '],
        'first_seen': pa.array([1, 2, None, None], pa.int64()),
        'brand': [None, 'Acme', None, ''],
        'categories': pa.array(
            [[['Film', 'Crime'], ['Drama']], [], [['Film']], [[]]], _PATHS
        ),
        'price': [9.5, None, None, None],
        'tags': [['x', 'y'], None, [], []],
    }
)


def _texts(items=_ITEMS, **values):
  modality = TextModality(**values)
  maker = item_texts.text_maker(modality, items.schema, 'items.parquet')
  return maker.texts(items).to_pylist()


def test_texts_are_all_text_fields_when_none_is_named():
  assert _texts() == [
      'title: Heat. categories: Film > Crime, Drama',
      'title: Alien. brand: Acme',
      'categories: Film',
      None,
  ]


def test_texts_take_named_fields_of_any_kind_in_their_order():
  assert _texts(fields=('price', 'tags', 'title')) == [
      'price: 9.5. tags: x, y. title: Heat',
      'title: Alien',
      None,
      None,
  ]


def test_texts_leave_nothing_for_a_missing_field_of_a_template():
  assert _texts(template='{{{title}}} by {brand}!') == [
      '{Heat} by !',
      '{Alien} by Acme!',
      None,
      None,
  ]


def test_texts_of_a_part_of_a_table_are_those_of_its_rows():
  batch = _ITEMS.to_batches()[0].slice(1, 2)
  assert _texts(batch) == _texts()[1:3]


_VALUES = st.one_of(st.none(), st.text('ab. ', max_size=4))


@given(st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1))
def test_texts_equal_a_plain_loop(rows):
  names = ('title', 'brand', 'year')
  items = pa.table(
      {
          name: pa.array([row[i] for row in rows], pa.string())
          for i, name in enumerate(names)
      }
  )
  expected = []
  for row in rows:
    parts = [
        f'{name}: {value.strip()}'
        for name, value in zip(names, row, strict=True)
        if value and value.strip()
    ]
    expected.append('. '.join(parts) or None)
  stripped = [text and text.strip() for text in expected]
  assert _texts(items, fields=names) == stripped


def _assert_refused(word, **values):
  with pytest.raises(InputError, match=word) as caught:
    _texts(name='film', **values)
  assert 'film' in str(caught.value) or 'column' in str(caught.value)


def test_an_unknown_field_is_refused_with_those_that_exist():
  with pytest.raises(InputError, match="no field 'colour'") as caught:
    _texts(template='{colour}')
  assert 'brand' in str(caught.value)
  assert 'items.parquet' in str(caught.value)


@pytest.mark.parametrize(
    'template', ['{}', '{title', '{title:>9}', '{title!r}', '{title} {']
)
def test_a_template_with_more_than_fields_is_refused(template):
  _assert_refused('template cannot be used', template=template)


def test_a_template_without_field_is_refused():
  _assert_refused('names no field', template='the same for all')


def test_nulls_inside_of_lists_are_refused():
  items = pa.table({'tags': [['x', None]]})
  with pytest.raises(InputError, match='tags hold nulls'):
    _texts(items, fields=('tags',))


def test_a_field_without_text_is_refused():
  items = pa.table({'size': [{'width': 1}]})
  with pytest.raises(InputError, match='field size'):
    _texts(items, fields=('size',))
