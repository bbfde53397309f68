# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How well ratings are predicted, from arrays alone.

RMSE and MAE are the P5 family's (arXiv 2203.13366); the AUC says how well
predictions tell what is liked from what is not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation import user_batches
from plum_jax.evaluation.protocols import RatingPredictor
from plum_jax.ranking import metrics

LIKED = 4.0


class PredictionError(ValueError):
  """A predictor broke the contract of `plum_jax.evaluation.protocols`."""


def rating_metrics(
    ratings: np.ndarray,
    predictions: np.ndarray,
    *,
    lowest: float,
    highest: float,
    liked: float = LIKED,
) -> dict[str, float | None]:
  """Computes all metrics of a set of ratings.

  Args:
    ratings: float [n], what users gave.
    predictions: float [n], clipped to the range before they are compared.
    lowest: the least rating that can be given.
    highest: the greatest.
    liked: ratings from this one on are likes, for the AUC.

  Returns:
    `rating/rmse`, `rating/mae`, and `rating/auc`, the probability that a liked
    item has a higher prediction than one that is not, ties counting half;
    None where all ratings are likes or none is, or there is no rating.

  Raises:
    PredictionError: a prediction is not a number.
    InputError: a rating is none.

  >>> rating_metrics(np.array([1.0, 5.0]), np.array([2.0, 9.0]), lowest=1,
  ...                highest=5)
  {'rating/rmse': 0.7071067811865476, 'rating/mae': 0.5, 'rating/auc': 1.0}
  """
  ratings = np.asarray(ratings, np.float64)
  predictions = np.asarray(predictions, np.float64)
  if ratings.shape != predictions.shape or ratings.ndim != 1:
    raise PredictionError(
        f'Predictions {predictions.shape} for ratings {ratings.shape}.'
    )
  if not np.isfinite(predictions).all():
    row = int(np.flatnonzero(~np.isfinite(predictions))[0])
    raise PredictionError(
        f'Row {row} is predicted {predictions[row]}, which is no rating.'
    )
  if not lowest < highest or np.any(
      ~((ratings >= lowest) & (ratings <= highest))
  ):
    raise InputError(
        'A rating lies beyond the range of ratings.',
        where='rating_metrics',
        expected=f'numbers from {lowest} to {highest}, the first less than the '
        'second',
        fix='Leave out what has no rating, and give the right range.',
    )
  predictions = np.clip(predictions, lowest, highest)
  mae = float(np.mean(np.abs(ratings - predictions))) if len(ratings) else None
  return {
      'rating/rmse': metrics.rmse(ratings, predictions),
      'rating/mae': mae,
      'rating/auc': metrics.auc(ratings >= liked, predictions),
  }


def predict_all(
    predictor: RatingPredictor,
    features: Mapping[str, np.ndarray],
    *,
    batch_size: int = 128,
    name: str = 'rating',
) -> np.ndarray:
  """Predicts all ratings.

  Args:
    predictor: what to evaluate.
    features: arrays with one leading dimension; see `RatingPredictor.predict`.
    batch_size: rows at a time.
    name: first word of the lines of progress.

  Returns:
    float32 [n].
  """
  predictions, _ = user_batches.map_users(
      predictor.predict, features, batch_size=batch_size, name=name
  )
  return np.asarray(predictions, np.float32)
