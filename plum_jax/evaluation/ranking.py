# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ranking one true item among sampled negatives, from scores alone.

The protocol of the P5 family (arXiv 2203.13366), with which "Aligning LLMs with
Recommendation Knowledge" (arXiv 2404.00245) compares: one true item and 99
negatives a user; see `catalog.ranking_candidates`.

Equal scores are ordered at random, in expectation (our choice): a figure is its
mean over all orders of the items that share the true item's score. A model that
gives all candidates one score so has the figures of chance, and none gains by
where in the row the true item happens to stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.ranking_candidates import RankingCandidates
from plum_jax.evaluation import user_batches
from plum_jax.evaluation.protocols import CandidateScorer

KS = (5, 10)
_CANDIDATES = 'candidate_item_ids'


class ScoreError(ValueError):
  """A scorer broke the contract of `plum_jax.evaluation.protocols`."""


@dataclasses.dataclass(frozen=True)
class Places:
  """Where the true item of each row stands.

  Attributes:
    better: int64 [n], candidates with a larger score.
    equal: int64 [n], others with the same score.
    num_candidates: candidates of a row.
  """

  better: np.ndarray
  equal: np.ndarray
  num_candidates: int

  def mean_gain(self, gains: np.ndarray) -> np.ndarray:
    """Averages what a rank is worth over the ranks the true item may have.

    Args:
      gains: float [num_candidates], of ranks from 1 on.

    Returns:
      float64 [n].
    """
    total = np.concatenate(([0.0], np.cumsum(gains)))
    stop = self.better + self.equal + 1
    return (total[stop] - total[self.better]) / (self.equal + 1)


def find_places(scores: np.ndarray, place: np.ndarray) -> Places:
  """Counts what stands before and beside the true item.

  Args:
    scores: float [n, num_candidates]; -inf for what cannot be.
    place: int [n], column of the true item.

  Returns:
    The counts.

  Raises:
    ScoreError: a score is NaN or +inf.

  >>> found = find_places(np.array([[1.0, 3.0, 1.0]]), np.array([0]))
  >>> found.better.tolist(), found.equal.tolist()
  ([1], [1])
  """
  wrong = np.any(np.isnan(scores) | (scores == np.inf), axis=1)
  if wrong.any():
    row = int(np.flatnonzero(wrong)[0])
    raise ScoreError(
        f'Row {row} holds a score that is not a number: {scores[row].tolist()}.'
    )
  true = np.take_along_axis(scores, np.asarray(place)[:, None], axis=1)
  return Places(
      np.sum(scores > true, axis=1),
      np.sum(scores == true, axis=1) - 1,
      scores.shape[1],
  )


def hit_rate(places: Places, k: int) -> np.ndarray:
  """Returns the probability that the true item is among `k`, float64 [n].

  >>> hit_rate(Places(np.array([1]), np.array([1]), 3), 2).tolist()
  [0.5]
  """
  return places.mean_gain(_ranks(places) <= k)


def ndcg(places: Places, k: int) -> np.ndarray:
  """Returns the expected 1 / log2(rank + 1), 0 beyond rank `k`, float64 [n].

  With one true item that is the normalised discounted cumulative gain.

  >>> ndcg(Places(np.array([2]), np.array([0]), 5), 3).round(6).tolist()
  [0.5]
  """
  ranks = _ranks(places)
  return places.mean_gain(np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0))


def reciprocal_rank(places: Places) -> np.ndarray:
  """Returns the expected 1 / rank, float64 [n].

  >>> reciprocal_rank(Places(np.array([0]), np.array([1]), 3)).tolist()
  [0.75]
  """
  return places.mean_gain(1 / _ranks(places))


def _ranks(places: Places) -> np.ndarray:
  return np.arange(1, places.num_candidates + 1)


def ranking_metrics(
    scores: np.ndarray, place: np.ndarray, *, ks: Sequence[int] = KS
) -> dict[str, float]:
  """Computes all metrics of a set of users.

  Args:
    scores: float [n, num_candidates], n at least 1.
    place: int [n], column of the true item.
    ks: cut-offs, from 1 to num_candidates.

  Returns:
    Means over the users, by name: `ranking/hr@10` and `ranking/ndcg@10` for
    each cut-off, and `ranking/mrr`.

  Raises:
    InputError: the cut-offs make no sense, or there is no user.
    ScoreError: a score is NaN or +inf.
  """
  num_users, num_candidates = np.shape(scores)
  ks = tuple(ks)
  if not num_users or not ks or min(ks) < 1 or max(ks) > num_candidates:
    raise InputError(
        f'Cut-offs {ks} for {num_users} users make no sense.',
        where='ranking_metrics',
        expected=f'cut-offs from 1 to {num_candidates}, the number of '
        'candidates, and one user at least',
        fix='Correct the cut-offs, or the number of negatives.',
    )
  places = find_places(np.asarray(scores), place)
  metrics = {}
  for k in ks:
    metrics[f'ranking/hr@{k}'] = float(np.mean(hit_rate(places, k)))
    metrics[f'ranking/ndcg@{k}'] = float(np.mean(ndcg(places, k)))
  metrics['ranking/mrr'] = float(np.mean(reciprocal_rank(places)))
  return metrics


def score_all(
    scorer: CandidateScorer,
    features: Mapping[str, np.ndarray],
    candidates: RankingCandidates,
    *,
    batch_size: int = 128,
    name: str = 'ranking',
) -> np.ndarray:
  """Scores the candidates of all users.

  Args:
    scorer: what to evaluate.
    features: arrays with leading dimension num_users; see
      `CandidateScorer.score`.
    candidates: of the same users.
    batch_size: users at a time.
    name: first word of the lines of progress.

  Returns:
    float32 [num_users, num_candidates].

  Raises:
    InputError: features and candidates are not of the same users.
    ScoreError: the scores do not have the candidates' shape.
  """
  num_users = len(candidates)
  for key, value in features.items():
    if len(value) != num_users:
      raise InputError(
          f'The feature {key} has {len(value)} rows.',
          where='ranking.score_all',
          expected=f'one for each of {num_users} users',
          fix='Make features and candidates from the same targets.',
      )

  def score(batch):
    return scorer.score(batch, batch.pop(_CANDIDATES))

  scores, _ = user_batches.map_users(
      score,
      {**features, _CANDIDATES: candidates.item_ids},
      batch_size=batch_size,
      name=name,
  )
  if scores.shape != candidates.item_ids.shape:
    raise ScoreError(
        f'Scores {scores.shape} for candidates {candidates.item_ids.shape}.'
    )
  return np.asarray(scores, np.float32)
