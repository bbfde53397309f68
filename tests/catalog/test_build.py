# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import logging

import pytest

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.build import build
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources.files import Files
from plum_jax.catalog.sources.movielens import MovieLens


@pytest.fixture
def source(tmp_path):
  (tmp_path / 'shop').mkdir()
  items = tmp_path / 'shop' / 'items.csv'
  items.write_text('item_id,title\na,A\nb,B\nc,C\n')
  interactions = tmp_path / 'shop' / 'log.csv'
  interactions.write_text('user_id,item_id,time\nu,b,20\nu,a,10\nv,b,10\n')
  return Files(str(items), str(interactions))


def _messages(caplog):
  return [record.message for record in caplog.records]


def test_build_writes_a_catalog_and_says_what_is_in_it(
    tmp_path, source, caplog
):
  with caplog.at_level(logging.INFO, 'plum_jax'):
    manifest = build(tmp_path / 'run' / 'catalog', source=source)
  assert set(manifest.inputs) == {'items', 'interactions'}
  catalog = Catalog.load(tmp_path / 'run' / 'catalog')
  assert catalog.item_ids == ['a', 'b', 'c']
  assert catalog.items['first_seen'].to_pylist() == [10, 10, None]
  assert (
      'shop: 2 users, 3 items (1 without interactions), 3 interactions '
      '(absolute times), density 50 %, 1.5 per user (median 1)'
  ) in _messages(caplog)


def test_build_is_skipped_until_a_file_changes(tmp_path, source, caplog):
  folder = tmp_path / 'catalog'
  first = build(folder, source=source)
  with caplog.at_level(logging.INFO, 'plum_jax'):
    assert build(folder, source=source) == first
  assert any('up to date' in message for message in _messages(caplog))
  with open(source.interactions, 'a') as file:
    file.write('v,c,30\n')
  build(folder, source=source)
  assert Catalog.load(folder).num_interactions == 4


def test_build_keeps_the_old_catalog_when_the_new_source_is_bad(
    tmp_path, source
):
  folder = tmp_path / 'catalog'
  build(folder, source=source)
  with open(source.interactions, 'a') as file:
    file.write('v,d,30\n')
  with pytest.raises(InputError, match="'d' is not in the catalog") as caught:
    build(folder, source=source)
  assert 'log.csv' in caught.value.where
  assert 'row 4' in caught.value.where
  assert Catalog.load(folder).num_interactions == 3
  assert not list(tmp_path.glob('.partial-*'))


@pytest.mark.network
def test_build_of_movielens_downloads_once(tmp_path, monkeypatch):
  calls = []
  fetch = download.fetch

  def counted(*arguments, **options):
    calls.append(arguments)
    return fetch(*arguments, **options)

  monkeypatch.setattr(download, 'fetch', counted)
  for _ in range(2):
    build(tmp_path / 'catalog', source=MovieLens())
  assert len(calls) == 1
  catalog = Catalog.load(tmp_path / 'catalog')
  assert catalog.histories.num_users == 943
  assert (catalog.num_items, catalog.num_interactions) == (1682, 100_000)
