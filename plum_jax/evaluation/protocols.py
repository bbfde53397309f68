# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The contracts of what is evaluated: generator and baselines alike.

What recommends, what scores given candidates, and what predicts ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Protocol

import jax
import numpy as np

Array = jax.Array | np.ndarray
NO_ITEM = -1


@dataclasses.dataclass(frozen=True)
class Recommendations:
  """The items recommended to a batch of users, best first.

  Attributes:
    item_ids: int32 [batch, k], item numbers; `NO_ITEM` where not valid.
    scores: float32 [batch, k], not rising along k; -inf where not valid.
    valid: bool [batch, k], whether an item stands there.
  """

  item_ids: Array
  scores: Array
  valid: Array


class Recommender(Protocol):
  """Recommends items to users, given their histories."""

  def recommend(
      self, batch: Mapping[str, np.ndarray], k: int, exclude_history: bool
  ) -> Recommendations:
    """Recommends `k` different items to each user of a batch.

    Args:
      batch: `history_item_ids` int32 [batch, history_length], the item numbers
        of each user's history, newest last, padded on the left with `NO_ITEM`;
        and any features of the recommender's own, leading dimension batch.
      k: number of items, the same for every call of an evaluation.
      exclude_history: whether items of the history are never recommended.

    Returns:
      The recommendations; rows have no item twice.
    """
    ...


class CandidateScorer(Protocol):
  """Scores given items for users: what a ranking task asks for."""

  def score(
      self, batch: Mapping[str, np.ndarray], candidate_item_ids: np.ndarray
  ) -> Array:
    """Scores the candidates of each user of a batch.

    Args:
      batch: `user` int32 [batch], user numbers; `history_item_ids` as for
        `Recommender`; and any features of the scorer's own.
      candidate_item_ids: int32 [batch, num_candidates], item numbers.

    Returns:
      float32 [batch, num_candidates], larger for what is more likely chosen.
      Only scores of one row are compared with each other.
    """
    ...


class RatingPredictor(Protocol):
  """Predicts which rating a user gives an item."""

  def predict(self, batch: Mapping[str, np.ndarray]) -> Array:
    """Predicts a rating for each row of a batch.

    Args:
      batch: `user` int32 [batch], user numbers; `rated_item_ids` int32 [batch],
        the items asked about; `history_item_ids` as for `Recommender`; and any
        features of the predictor's own.

    Returns:
      float32 [batch], on the scale of the ratings; it may lie beyond the least
      and the greatest rating there is.
    """
    ...
