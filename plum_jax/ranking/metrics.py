# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Measures of predictions; None where one is not defined, never a guess."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy import stats


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
  """Computes the area under the ROC curve, exactly, ties counting half.

  Args:
    labels: [n], 0 or 1.
    scores: [n], larger where 1 is more likely.

  Returns:
    The share of pairs of a 1 and a 0 in which the 1 has the larger score; None
    if there is no such pair.

  >>> auc(np.array([0, 1, 1]), np.array([0.1, 0.1, 0.9]))
  0.75
  >>> auc(np.array([1, 1]), np.array([0.2, 0.3]))
  """
  positive = np.asarray(labels) == 1
  num_positive = int(positive.sum())
  num_negative = len(positive) - num_positive
  if not num_positive or not num_negative:
    return None
  ranks = stats.rankdata(np.asarray(scores, np.float64))
  smallest = num_positive * (num_positive + 1) / 2
  pairs = num_positive * num_negative
  return float((ranks[positive].sum() - smallest) / pairs)


def log_loss(labels: np.ndarray, logits: np.ndarray) -> float | None:
  """Computes the mean cross-entropy in nats; None without impressions.

  Args:
    labels: [n], 0 or 1.
    logits: [n].

  >>> round(log_loss(np.array([1]), np.array([0.0])), 4)
  0.6931
  """
  if not len(labels):
    return None
  logits = np.asarray(logits, np.float64)
  return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def calibration(labels: np.ndarray, logits: np.ndarray) -> float | None:
  """Divides the mean predicted probability by the share of ones.

  Args:
    labels: [n], 0 or 1.
    logits: [n].

  Returns:
    1 if they agree; None if there is no one.

  >>> calibration(np.array([1, 0]), np.array([0.0, 0.0]))
  1.0
  """
  if not np.any(labels):
    return None
  return float(np.mean(special.expit(np.float64(logits))) / np.mean(labels))


def rmse(values: np.ndarray, predictions: np.ndarray) -> float | None:
  """Computes the root mean squared error; None without values.

  >>> rmse(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == 2**0.5
  True
  """
  if not len(values):
    return None
  errors = np.asarray(values, np.float64) - np.asarray(predictions, np.float64)
  return float(np.sqrt(np.mean(np.square(errors))))


def popularity_groups(counts: np.ndarray, num_groups: int = 10) -> np.ndarray:
  """Cuts items into equally large groups by popularity.

  Args:
    counts: int [num_items], impressions of the training window.
    num_groups: ten for deciles.

  Returns:
    int64 [num_items]: 0 for the least popular to num_groups - 1; -1 for items
    that were not impressed. Equal counts are cut in the order of the catalog.

  >>> popularity_groups(np.array([5, 0, 1, 9]), 3).tolist()
  [1, -1, 0, 2]
  """
  groups = np.full(len(counts), -1, np.int64)
  impressed = np.flatnonzero(counts > 0)
  order = impressed[np.argsort(counts[impressed], kind='stable')]
  groups[order] = np.arange(len(order)) * num_groups // max(len(order), 1)
  return groups
