# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stages of the factorizations, on users with one of two tastes."""

import dataclasses
import logging

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import build_biased_mf
from plum_jax.baselines import build_bpr_mf
from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.training import loop
from plum_jax.training import metric_writers

NUM_USERS, NUM_ITEMS = 40, 16
BPR = build_bpr_mf.BprMfTraining(
    embed_size=8,
    num_epochs=30,
    batch_size=64,
    learning_rate=0.05,
    num_evaluations=2,
)
MF = build_biased_mf.BiasedMfTraining(
    embed_size=4,
    num_epochs=60,
    batch_size=64,
    learning_rate=0.05,
    regularization=0.01,
    num_evaluations=2,
)


def _save_catalog(directory, with_ratings=True):
  """Even users choose items below 8, odd ones the others; 2 of 8 are left.

  Ratings are 1 to 5, as users and items are strict or good.
  """
  rng = np.random.default_rng(0)
  users, items, times, ratings = [], [], [], []
  for user in range(NUM_USERS):
    chosen = rng.permutation(8)[:6] + 8 * (user % 2)
    users += [f'u{user}'] * 6
    items += [f'i{item}' for item in chosen]
    times += [1_000 + n for n in range(6)]
    ratings += (1 + user % 3 + chosen % 3).tolist()
  names = pa.array([f'i{n}' for n in range(NUM_ITEMS)])
  Catalog(
      tables.make_items(names, names),
      tables.make_interactions(
          pa.array(users),
          pa.array(items),
          pa.array(times),
          ratings=pa.array(ratings, pa.float32()) if with_ratings else None,
          time_kind='absolute',
      ),
  ).save(directory)
  return directory


@pytest.fixture(scope='module')
def catalog_directory(tmp_path_factory):
  return _save_catalog(tmp_path_factory.mktemp('run') / 'catalog')


@pytest.fixture(scope='module')
def histories(catalog_directory):
  return Catalog.load(catalog_directory).histories


@pytest.fixture(scope='module')
def bpr_mf(catalog_directory):
  directory = catalog_directory.parent / 'bpr_mf'
  build_bpr_mf.build(
      directory, catalog_directory=catalog_directory, config=BPR, seed=1
  )
  return directory


def test_trained_bpr_mf_knows_tastes(bpr_mf):
  recommender = build_bpr_mf.load(bpr_mf)
  user = np.arange(NUM_USERS)
  item_ids = np.tile(np.arange(NUM_ITEMS), (NUM_USERS, 1))
  scores = np.asarray(recommender.score({'user': user}, item_ids))
  own = (item_ids >= 8) == (user % 2)[:, None]
  worst_own = np.where(own, scores, np.inf).min(axis=1)
  best_other = np.where(own, -np.inf, scores).max(axis=1)
  assert np.mean(worst_own > best_other) > 0.9
  lines = metric_writers.read(bpr_mf / loop.METRICS)
  recalls = [line.get('validation/retrieval/recall@10') for line in lines]
  assert [x for x in recalls if x is not None][-1] == 1.0


def test_a_finished_stage_is_skipped(bpr_mf, catalog_directory, caplog):
  with caplog.at_level(logging.INFO, logger='plum_jax'):
    build_bpr_mf.build(
        bpr_mf, catalog_directory=catalog_directory, config=BPR, seed=1
    )
  assert 'up to date' in caplog.text


def test_trained_biased_mf_predicts_held_out_ratings(
    catalog_directory, histories
):
  directory = catalog_directory.parent / 'biased_mf'
  build_biased_mf.build(
      directory, catalog_directory=catalog_directory, config=MF, seed=1
  )
  test = splits.leave_one_out(histories).test
  ratings = histories.ratings[test.position]
  predicted = build_biased_mf.load(directory).predict(
      {'user': test.user, 'rated_item_ids': histories.item_ids[test.position]}
  )
  error = np.sqrt(np.mean((np.asarray(predicted) - ratings) ** 2))
  assert error < 0.4 < 1.0 < ratings.std()


def test_a_catalog_without_ratings_is_refused(tmp_path):
  catalog = _save_catalog(tmp_path / 'catalog', with_ratings=False)
  with pytest.raises(InputError, match='no interaction') as caught:
    build_biased_mf.build(
        tmp_path / 'biased_mf', catalog_directory=catalog, config=MF
    )
  assert 'ratings' in str(caught.value)
  assert not (tmp_path / 'biased_mf').exists()


@pytest.mark.parametrize(
    ('build', 'config'),
    [(build_bpr_mf.build, BPR), (build_biased_mf.build, MF)],
)
def test_an_unknown_split_is_refused(
    build, config, catalog_directory, tmp_path
):
  config = dataclasses.replace(config, split='by_moon')
  with pytest.raises(InputError, match='by_moon'):
    build(tmp_path / 'made', catalog_directory=catalog_directory, config=config)
  assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize(
    'changes',
    [
        {'batch_size': 0},
        {'learning_rate': 0.0},
        {'regularization': -1.0},
        {'num_evaluations': 0},
    ],
)
def test_numbers_that_make_no_sense_are_refused(changes):
  with pytest.raises(InputError, match='no training'):
    dataclasses.replace(BPR, **changes)
