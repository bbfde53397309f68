# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The one way in which every recommender is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation import diversity
from plum_jax.evaluation import metrics as metrics_lib
from plum_jax.evaluation import user_batches
from plum_jax.evaluation.protocols import NO_ITEM
from plum_jax.evaluation.protocols import Recommender


class RecommendationError(ValueError):
  """A recommender broke the contract of `plum_jax.evaluation.protocols`."""


@dataclasses.dataclass(frozen=True)
class EvaluationResult:
  """What a recommender did for a set of users.

  Attributes:
    metrics: means over the users, by name such as `retrieval/recall@10`, and
      other figures of the recommender; None for what is not defined.
    item_ids: int32 [num_users, k], best first, `NO_ITEM` where not valid.
    scores: float32 [num_users, k], -inf where not valid.
    valid: bool [num_users, k].
    targets: int32 [num_users, num_targets], padded with `NO_ITEM`.
    ks: the cut-offs; k is the greatest.
    num_items: number of items of the catalog, all of which are candidates.
    exclude_history: whether items of the history could not be recommended.
    users_per_second: rate; that of the first batch, which may compile, counts
      only if there is no other.
  """

  metrics: Mapping[str, float | None]
  item_ids: np.ndarray
  scores: np.ndarray
  valid: np.ndarray
  targets: np.ndarray
  ks: tuple[int, ...]
  num_items: int
  exclude_history: bool
  users_per_second: float

  @property
  def num_users(self) -> int:
    """The number of users that were evaluated."""
    return len(self.item_ids)

  def with_metrics(
      self, metrics: Mapping[str, float | None]
  ) -> EvaluationResult:
    """Returns the same with further figures."""
    return dataclasses.replace(self, metrics={**self.metrics, **metrics})


def evaluate(
    recommender: Recommender,
    features: Mapping[str, np.ndarray],
    targets: np.ndarray,
    *,
    num_items: int,
    ks: Sequence[int] = (5, 10, 20),
    batch_size: int = 128,
    exclude_history: bool = True,
    categories: diversity.ItemCategories | None = None,
    name: str = 'evaluation',
) -> EvaluationResult:
  """Recommends to all users and compares with what they chose.

  See `user_batches.map_users` for how batches are made.

  Args:
    recommender: what to evaluate.
    features: arrays with leading dimension num_users, among them
      `history_item_ids`; see `Recommender.recommend`.
    targets: int [num_users] or [num_users, num_targets], item numbers, padded
      with `NO_ITEM`.
    num_items: number of items of the catalog.
    ks: cut-offs; the greatest is the number of recommendations asked for.
    batch_size: users at a time.
    exclude_history: whether items of the history must not be recommended.
    categories: of the items, for `diversity.diversity_metrics`; None leaves
      these out.
    name: first word of the lines of progress.

  Returns:
    Metrics and recommendations.

  Raises:
    InputError: features, targets or cut-offs do not fit.
    RecommendationError: a recommendation is not of the catalog, comes twice or
      from a history that is excluded, or scores rise or are not numbers.
  """
  targets = np.asarray(targets, np.int32)
  if targets.ndim == 1:
    targets = targets[:, None]
  ks = tuple(ks)
  _check_input(features, targets, num_items, ks, batch_size)

  def recommend(batch):
    found = recommender.recommend(batch, max(ks), exclude_history)
    return found.item_ids, found.scores, found.valid

  (item_ids, scores, valid), users_per_second = user_batches.map_users(
      recommend, features, batch_size=batch_size, name=name
  )
  item_ids, scores = item_ids.astype(np.int32), scores.astype(np.float32)
  valid = valid.astype(bool)
  excluded = features['history_item_ids'] if exclude_history else None
  check_recommendations(item_ids, scores, valid, num_items, excluded)
  metrics = metrics_lib.retrieval_metrics(
      item_ids, valid, targets, ks=ks, num_items=num_items
  )
  if categories is not None:
    metrics |= diversity.diversity_metrics(item_ids, categories, ks)
  return EvaluationResult(
      metrics=metrics,
      item_ids=item_ids,
      scores=scores,
      valid=valid,
      targets=targets,
      ks=ks,
      num_items=num_items,
      exclude_history=exclude_history,
      users_per_second=users_per_second,
  )


def _input_error(what: str, expected: str) -> InputError:
  return InputError(
      what,
      where='evaluate',
      expected=expected,
      fix='Make features and targets from the same split of the same catalog.',
  )


def _check_input(features, targets, num_items, ks, batch_size) -> None:
  """Raises InputError unless everything fits together."""
  num_users = len(targets)
  if num_users == 0:
    raise _input_error('There is no user to evaluate.', 'at least one target')
  if not ks or min(ks) < 1 or max(ks) > num_items or batch_size < 1:
    raise _input_error(
        f'Cut-offs {tuple(ks)} and batch size {batch_size} make no sense.',
        f'cut-offs from 1 to num_items = {num_items}, a batch of at least 1',
    )
  if 'history_item_ids' not in features:
    raise _input_error(
        f'The features are {sorted(features)}.', 'history_item_ids among them'
    )
  for key, value in features.items():
    if len(value) != num_users:
      raise _input_error(
          f'The feature {key} has {len(value)} rows.',
          f'one for each of {num_users} users',
      )
  history = features['history_item_ids']
  for key, value in (('targets', targets), ('history_item_ids', history)):
    if np.any((value != NO_ITEM) & ((value < 0) | (value >= num_items))):
      raise _input_error(
          f'{key} holds a number that is no item.',
          f'item numbers below {num_items}, or {NO_ITEM} as padding',
      )
  without = np.flatnonzero(metrics_lib.num_targets(targets) == 0)
  if len(without):
    raise _input_error(
        f'The user in row {without[0]} has no target.', 'one at least for each'
    )
  if _has_duplicates(targets).any():
    row = np.flatnonzero(_has_duplicates(targets))[0]
    raise _input_error(
        f'The user in row {row} has a target twice.', 'different targets'
    )


def _has_duplicates(item_ids: np.ndarray) -> np.ndarray:
  """Whether an item stands in a row twice, bool [n]."""
  ordered = np.sort(item_ids, axis=1)
  same = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_ITEM)
  return np.any(same, axis=1)


def _in_history(item_ids: np.ndarray, history: np.ndarray) -> np.ndarray:
  """Whether each recommendation is in its user's history, bool [n, k]."""
  num_users, k = item_ids.shape
  # One number for each pair of user and item.
  base = int(max(item_ids.max(), history.max())) + 2
  rows = np.arange(num_users, dtype=np.int64)[:, None] * base
  pairs, seen = rows + item_ids + 1, rows + history + 1
  found = np.isin(pairs, seen[history != NO_ITEM])
  return np.reshape(found, (num_users, k)) & (item_ids != NO_ITEM)


def check_recommendations(
    item_ids: np.ndarray,
    scores: np.ndarray,
    valid: np.ndarray,
    num_items: int,
    excluded: np.ndarray | None = None,
) -> None:
  """Checks what a recommender returned.

  Args:
    item_ids: int32 [n, k].
    scores: float32 [n, k].
    valid: bool [n, k].
    num_items: number of items of the catalog.
    excluded: int [n, history_length], items that must not be there, padded
      with `NO_ITEM`; or None.

  Raises:
    RecommendationError: naming the first row where the contract is broken.
  """
  rising = scores[:, 1:] > scores[:, :-1]
  faults = {
      'a number that is no item of the catalog': np.any(
          valid & ((item_ids < 0) | (item_ids >= num_items)), axis=1
      ),
      f'an item that is not {NO_ITEM} where it is not valid': np.any(
          ~valid & (item_ids != NO_ITEM), axis=1
      ),
      'an item twice': _has_duplicates(item_ids),
      'a score that is not a number': np.any(
          np.isnan(scores) | (scores == np.inf), axis=1
      ),
      'a score of -inf that is valid, or one above it that is not': np.any(
          valid != (scores > -np.inf), axis=1
      ),
      'scores that rise': np.any(rising, axis=1),
  }
  if excluded is not None:
    faults['an item of the history, which is excluded'] = np.any(
        _in_history(item_ids, np.asarray(excluded)), axis=1
    )
  for what, rows in faults.items():
    if rows.any():
      row = int(np.flatnonzero(rows)[0])
      raise RecommendationError(
          f'Row {row} holds {what}: items {item_ids[row].tolist()}, '
          f'scores {scores[row].tolist()}, valid {valid[row].tolist()}.'
      )
