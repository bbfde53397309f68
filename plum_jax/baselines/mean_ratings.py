# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ratings predicted by a mean of the training windows: who rates, or what."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split

GLOBAL, USER, ITEM = 'global_mean', 'user_mean', 'item_mean'


class MeanRatingPredictor:
  """Predicts a mean; see `plum_jax.evaluation.protocols.RatingPredictor`.

  Attributes:
    kind: `global_mean`, the mean of all ratings; `user_mean` or `item_mean`,
      that of the user's or the item's, and of all ratings where there is none.
    means: float32 [1], [num_users] or [num_items].
  """

  def __init__(self, kind: str, histories: Histories, split: Split):
    """Takes the means.

    Args:
      kind: see the class.
      histories: of the catalog.
      split: of these histories; only its training windows are looked at.

    Raises:
      InputError: there is no such kind, or no rating to learn from.
    """
    self.kind = kind
    rated = split.train_mask(histories) & ~np.isnan(histories.ratings)
    rows = {
        GLOBAL: (np.zeros(len(histories.item_ids), np.int64), 1),
        USER: (histories.users, histories.num_users),
        ITEM: (histories.item_ids, histories.num_items),
    }
    if kind not in rows or not rated.any():
      raise InputError(
          f'{kind!r} of {int(rated.sum())} ratings cannot be taken.',
          where='mean_ratings',
          expected=f'{", ".join(rows)}, and ratings in the training windows',
          fix='Correct the name, or bring ratings.',
      )
    column, size = rows[kind]
    ratings = histories.ratings[rated].astype(np.float64)
    counts = np.bincount(column[rated], minlength=size)
    sums = np.bincount(column[rated], ratings, minlength=size)
    means = np.where(counts, sums / np.maximum(counts, 1), ratings.mean())
    self.means = means.astype(np.float32)

  def predict(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predicts the ratings of `user` and `rated_item_ids`; see the protocol."""
    if self.kind == USER:
      return self.means[batch['user']]
    if self.kind == ITEM:
      return self.means[batch['rated_item_ids']]
    return np.repeat(self.means, len(batch['user']))
