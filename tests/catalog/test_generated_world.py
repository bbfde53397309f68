# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import build as build_catalog
from plum_jax.catalog import build_impressions
from plum_jax.catalog import generated_files
from plum_jax.catalog import impressions
from plum_jax.catalog.generated_world import GeneratedWorld
from plum_jax.catalog.generated_world import START_TIME
from plum_jax.catalog.generated_world import World

_CONFIG = GeneratedWorld(
    num_items=400,
    num_users=50,
    num_impressions=20_000,
    num_days=4,
    branching=(4, 3),
    level_scales=(0.7, 0.5, 0.3),
    content_size=8,
    taste_size=4,
)


@pytest.fixture(scope='module', name='world')
def world_fixture():
  return World(_CONFIG)


@pytest.fixture(scope='module', name='log')
def log_fixture(world):
  chunks = list(world.chunks())
  return {
      name: np.concatenate([getattr(chunk, name) for chunk in chunks])
      for name in ('times', 'users', 'current_items', 'items', 'clicks')
  }


def test_impressions_are_all_there_in_order_of_time(log):
  assert len(log['times']) == 20_000
  assert np.all(np.diff(log['times']) >= 0)
  days = np.bincount((log['times'] - START_TIME) // 86_400)
  assert days.tolist() == [5_000] * 4


def test_no_item_is_shown_before_it_enters(world, log):
  assert np.all(log['times'] >= world.first_seen[log['items']])
  late = world.first_seen > START_TIME
  assert 0.3 < late.mean() < 0.5
  assert len(np.unique(log['items'][late[log['items']]])) > 50


def test_popularity_follows_the_power_law(log):
  counts = np.sort(np.bincount(log['items'], minlength=400))[::-1]
  # With exponent 0.8 the first tenth of items has about half of it all.
  assert 0.4 < counts[:40].sum() / counts.sum() < 0.7


def test_current_item_is_one_that_the_user_clicked_before(log):
  clicked = {user: set() for user in range(50)}
  for user, current, item, click in zip(
      log['users'],
      log['current_items'],
      log['items'],
      log['clicks'],
      strict=True,
  ):
    assert current == -1 or current in clicked[user]
    if click:
      clicked[user].add(item)


def test_items_of_one_category_are_alike_in_content_and_clicks(world, log):
  content = world.content - world.content.mean(axis=0, keepdims=True)
  unit = content / np.linalg.norm(content, axis=1, keepdims=True)
  cosines = unit @ unit.T
  same_first, same_last = (
      world.categories[:, level][:, None] == world.categories[:, level][None]
      for level in (0, 1)
  )
  assert (
      cosines[same_last].mean()
      > cosines[same_first & ~same_last].mean() + 0.1
      > cosines[~same_first].mean() + 0.2
  )
  # Click rates differ between categories more than by chance.
  last = world.categories[:, 1][log['items']]
  shown, clicks = np.bincount(last), np.bincount(last, log['clicks'])
  rates, overall = clicks / shown, log['clicks'].mean()
  deviations = (rates - overall) / np.sqrt(overall * (1 - overall) / shown)
  assert np.sqrt(np.mean(np.square(deviations))) > 3


def test_the_same_seed_gives_the_same_bytes_and_another_others(tmp_path):
  hashes = []
  for number, seed in enumerate((3, 3, 4)):
    folder = tmp_path / str(number)
    folder.mkdir()
    config = dataclasses.replace(_CONFIG, num_impressions=500, seed=seed)
    generated_files.write(World(config), folder)
    hashes.append(manifest.content_hash(folder))
  assert hashes[0] == hashes[1] != hashes[2]


def test_files_serve_as_a_catalog_of_ones_own(tmp_path, world, log):
  run = str(tmp_path)
  generated_files.build(tmp_path / 'generated_world', config=_CONFIG)
  build_catalog.build(
      tmp_path / 'catalog', source=generated_files.catalog_source(run)
  )
  build_impressions.build(
      tmp_path / 'impressions',
      catalog_directory=tmp_path / 'catalog',
      source=generated_files.impression_source(run),
  )
  found = impressions.load(tmp_path / 'impressions', 400)
  for name in ('times', 'current_items', 'items'):
    np.testing.assert_array_equal(getattr(found, name), log[name])
  np.testing.assert_array_equal(found.values[:, 0], log['clicks'])
  content = np.load(generated_files.content_path(run))
  np.testing.assert_array_equal(content, world.content)
  watched = found.values[:, 1]
  np.testing.assert_array_equal(np.isnan(watched), ~log['clicks'])


@pytest.mark.parametrize(
    'change',
    [{'num_items': 0}, {'level_scales': (1.0,)}, {'share_at_start': 0.0}],
)
def test_sizes_that_make_no_world_are_refused(change):
  with pytest.raises(InputError, match='make no world'):
    dataclasses.replace(_CONFIG, **change)
