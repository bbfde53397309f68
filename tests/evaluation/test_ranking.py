# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import itertools
import math

import hypothesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.ranking_candidates import RankingCandidates
from plum_jax.evaluation import ranking


@hypothesis.given(
    arrays.arrays(np.float32, (3, 5), elements=st.sampled_from([-1, 0, 1, 2])),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.integers(1, 5),
)
def test_metrics_are_means_over_all_orders_of_equal_scores(scores, place, k):
  """Sorts each row once for every order in which ties may come."""
  hits, gains, reciprocals = [], [], []
  for row, true in zip(scores, place, strict=True):
    of_orders = []
    for order in itertools.permutations(range(5)):
      ordered = sorted(order, key=lambda item: -row[item])  # stable
      of_orders.append(ordered.index(true) + 1)
    hits.append(np.mean([rank <= k for rank in of_orders]))
    gains.append(np.mean([(r <= k) / math.log2(r + 1) for r in of_orders]))
    reciprocals.append(np.mean([1 / rank for rank in of_orders]))
  found = ranking.ranking_metrics(scores, np.array(place), ks=(k,))
  assert found == {
      f'ranking/hr@{k}': pytest.approx(np.mean(hits)),
      f'ranking/ndcg@{k}': pytest.approx(np.mean(gains)),
      'ranking/mrr': pytest.approx(np.mean(reciprocals)),
  }


def test_metrics_without_ties_are_those_of_the_rank():
  scores = np.arange(100.0)[None, :].repeat(3, 0)
  # Ranks 1, 4 and 11.
  found = ranking.ranking_metrics(scores, np.array([99, 96, 89]))
  assert found['ranking/hr@5'] == pytest.approx(2 / 3)
  assert found['ranking/hr@10'] == pytest.approx(2 / 3)
  assert found['ranking/ndcg@10'] == pytest.approx((1 + 1 / math.log2(5)) / 3)
  assert found['ranking/mrr'] == pytest.approx((1 + 1 / 4 + 1 / 11) / 3)


def test_a_model_that_knows_nothing_has_the_figures_of_chance():
  for scores in (np.zeros((2, 100)), np.full((2, 100), -np.inf)):
    found = ranking.ranking_metrics(scores, np.array([0, 57]))
    assert found['ranking/hr@10'] == pytest.approx(0.1)


@pytest.mark.parametrize('wrong', [np.nan, np.inf])
def test_a_score_that_is_no_number_is_refused(wrong):
  scores = np.zeros((2, 3))
  scores[1, 2] = wrong
  with pytest.raises(ranking.ScoreError, match='Row 1'):
    ranking.ranking_metrics(scores, np.array([0, 0]), ks=(1,))


@pytest.mark.parametrize('ks', [(), (0,), (4,)])
def test_cut_offs_beyond_the_candidates_are_refused(ks):
  with pytest.raises(InputError, match='Cut-offs'):
    ranking.ranking_metrics(np.zeros((2, 3)), np.array([0, 0]), ks=ks)


class _SumScorer:
  """Scores by numbers that say which row and item was asked for."""

  def __init__(self):
    self.shapes = []

  def score(self, batch, candidate_item_ids):
    self.shapes.append(candidate_item_ids.shape)
    return batch['user'][:, None] * 100.0 + candidate_item_ids


def test_every_candidate_of_every_user_is_scored_in_batches_of_one_shape():
  item_ids = np.arange(15, dtype=np.int32).reshape(5, 3)
  scorer = _SumScorer()
  scores = ranking.score_all(
      scorer,
      {'user': np.arange(5)},
      RankingCandidates(item_ids, np.zeros(5, np.int32)),
      batch_size=2,
  )
  np.testing.assert_array_equal(scores, np.arange(5)[:, None] * 100 + item_ids)
  assert scorer.shapes == [(2, 3)] * 3


def test_features_of_other_users_are_refused():
  candidates = RankingCandidates(np.zeros((5, 3), np.int32), np.zeros(5, int))
  with pytest.raises(InputError, match='4 rows'):
    ranking.score_all(_SumScorer(), {'user': np.arange(4)}, candidates)
