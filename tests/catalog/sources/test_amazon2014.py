# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import logging

import pytest

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources.amazon2014 import Amazon2014

_REVIEWS = [
    {
        'reviewerID': user,
        'asin': item,
        'reviewerName': 'Someone',
        'helpful': [2, 3],
        'reviewText': 'Nice "thing".',
        'overall': rating,
        'summary': 'Nice',
        'unixReviewTime': time,
        'reviewTime': '09 13, 2009',
    }
    for user, item, rating, time in [
        ('A1', 'B2', 5.0, 1252800000),
        ('A2', 'B2', 1.0, 1252713600),
        ('A1', 'B1', 4.0, 1252800000),
        ('A2', 'B3', 3.0, 1252713600),
    ]
]
_META = [
    # The notation of the 2014 files: what Python prints for a dictionary.
    "{'asin': 'B0', 'title': 'Nobody took it', 'imUrl': 'x'}",
    str(
        {
            'asin': 'B1',
            'categories': [['Beauty', 'Nails &amp; Care'], ['Sale']],
            'title': 'Nail &quot;Lacquer&quot; it\'s "red"',
            'price': 9.5,
            'brand': 'OPI',
            'related': {'also_bought': ['B9']},
        }
    ),
    # Strict JSON, and another order of the fields.
    json.dumps({'title': 'Balm', 'description': 'Soft é', 'asin': 'B2'}),
    '',
]


def _write(folder, reviews=None, meta=None):
  lines = [json.dumps(review) for review in _REVIEWS]
  for name, text in (
      (
          'reviews_Beauty_5.json.gz',
          '\n'.join(lines) if reviews is None else reviews,
      ),
      ('meta_Beauty.json.gz', '\n'.join(_META) if meta is None else meta),
  ):
    with gzip.open(folder / name, 'wt', encoding='utf-8') as file:
      file.write(text)
  return Amazon2014('Beauty', str(folder))


def test_read_gives_reviewed_items_with_their_texts(tmp_path, caplog):
  source = _write(tmp_path)
  with caplog.at_level(logging.WARNING, 'plum_jax'):
    catalog = Catalog(*source.read())
  assert catalog.items.drop_columns(['first_seen']).to_pylist() == [
      {
          'item_id': 'B1',
          'title': 'Nail "Lacquer" it\'s "red"',
          'categories': [['Beauty', 'Nails & Care'], ['Sale']],
          'brand': 'OPI',
          'price': '9.5',
          'description': None,
      },
      {
          'item_id': 'B2',
          'title': 'Balm',
          'categories': [],
          'brand': None,
          'price': None,
          'description': 'Soft é',
      },
      {
          'item_id': 'B3',
          'title': '',
          'categories': [],
          'brand': None,
          'price': None,
          'description': None,
      },
  ]
  assert '1 of 3 reviewed items, B3 first, have no line' in caplog.text
  assert catalog.time_kind == 'absolute'
  assert catalog.interactions.drop_columns(['reward']).to_pylist()[1] == {
      'user_id': 'A2',
      'item_id': 'B2',
      'time': 1252713600,
      'rating': 1.0,
  }
  # Equal days stay in the order of the file.
  assert catalog.histories.item_ids.tolist() == [1, 0, 1, 2]


def test_line_that_is_no_object_is_refused_with_its_number(tmp_path):
  for line in ("{'asin': 'B1', 'title': open('x')}", "{'asin': ", '[1]', '{}'):
    source = _write(tmp_path, meta='\n'.join([_META[2], line]))
    with pytest.raises(InputError) as caught:
      source.read()
    assert caught.value.where.endswith('meta_Beauty.json.gz, line 2')


@pytest.mark.parametrize('categories', ['[[1]]', '[1]', '5'])
def test_categories_of_another_form_are_refused(tmp_path, categories):
  meta = f"{{'asin': 'B1', 'categories': {categories}}}"
  source = _write(tmp_path, meta=meta)
  with pytest.raises(InputError, match='categories of B1 are') as caught:
    source.read()
  assert 'meta_Beauty' in caught.value.where


def test_repeated_item_is_refused(tmp_path):
  source = _write(tmp_path, meta='\n'.join([_META[1], _META[1]]))
  with pytest.raises(InputError, match="'B1' occurs 2 times"):
    Catalog(*source.read())


@pytest.mark.parametrize('file', ['reviews_Beauty_5', 'meta_Beauty'])
def test_truncated_file_is_refused(tmp_path, file):
  source = _write(tmp_path)
  path = tmp_path / f'{file}.json.gz'
  path.write_bytes(path.read_bytes()[:-12])
  with pytest.raises(InputError, match='cannot be read') as caught:
    source.read()
  assert caught.value.where == str(path)


def test_review_without_a_time_is_refused(tmp_path):
  reviews = '\n'.join(
      json.dumps({k: v for k, v in r.items() if k != 'unixReviewTime'})
      for r in _REVIEWS
  )
  source = _write(tmp_path, reviews=reviews)
  with pytest.raises(InputError, match='missing in column time'):
    Catalog(*source.read())


def test_missing_file_is_refused(tmp_path):
  source = _write(tmp_path)
  (tmp_path / 'meta_Beauty.json.gz').unlink()
  with pytest.raises(InputError, match='does not exist') as caught:
    source.inputs()
  assert caught.value.where.endswith('meta_Beauty.json.gz')


def test_category_that_is_no_name_is_refused():
  with pytest.raises(InputError, match='no category'):
    Amazon2014('../Beauty')


def test_download_prints_terms_and_checks_counts(tmp_path, monkeypatch):
  _write(tmp_path)
  asked = []

  def fetch(url, path, *, terms):
    asked.append((url, terms))
    return tmp_path / path.name

  monkeypatch.setattr(download, 'fetch', fetch)
  with pytest.raises(InputError, match=r'has \(2, 3, 4\) users') as caught:
    Amazon2014('Beauty').read()
  assert '(22363, 12101, 198502)' in caught.value.expected
  assert [url.rpartition('/')[2] for url, _ in asked] == [
      'reviews_Beauty_5.json.gz',
      'meta_Beauty.json.gz',
  ]
  assert all('cite' in terms for _, terms in asked)
