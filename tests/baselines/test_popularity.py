# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Popularity: counted in the training windows alone."""

import numpy as np

from plum_jax.baselines import popularity
from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories


def make_histories():
  # The last two interactions of each user are held out; all are with item 4.
  item_ids = np.array([0, 1, 4, 4, 1, 2, 4, 4, 1, 0, 4, 4], np.int32)
  nothing = np.full(12, np.nan, np.float32)
  return Histories(
      user_ids=np.array(['a', 'b', 'c']),
      offsets=np.array([0, 4, 8, 12]),
      item_ids=item_ids,
      times=np.arange(12),
      ratings=nothing,
      rewards=nothing,
      first_seen=np.zeros(6, np.int64),
      time_kind='absolute',
  )


def test_counts_know_nothing_after_the_training_window():
  histories = make_histories()
  counts = popularity.count_interactions(
      histories, splits.leave_one_out(histories)
  )
  assert counts.tolist() == [2, 3, 1, 0, 0, 0]


def test_popularity_recommends_by_count_then_by_number():
  recommender = popularity.PopularityRecommender(np.array([2, 3, 1, 0, 2]))
  batch = {'history_item_ids': np.array([[-1, 1], [0, 4]], np.int32)}
  kept = recommender.recommend(batch, 3, exclude_history=False)
  assert np.asarray(kept.item_ids).tolist() == [[1, 0, 4]] * 2
  assert np.asarray(kept.scores).tolist() == [[3.0, 2.0, 2.0]] * 2
  masked = recommender.recommend(batch, 3, exclude_history=True)
  assert np.asarray(masked.item_ids).tolist() == [[0, 4, 2], [1, 2, 3]]


def test_popularity_scores_candidates_by_count():
  recommender = popularity.PopularityRecommender(np.array([2, 3, 1, 0, 2]))
  scores = recommender.score({}, np.array([[3, 1], [4, 0]]))
  assert scores.tolist() == [[0.0, 3.0], [2.0, 2.0]]
