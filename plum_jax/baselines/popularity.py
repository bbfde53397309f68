# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The same items for everyone: those most often chosen in training."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from plum_jax.baselines import top_items
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split
from plum_jax.evaluation.protocols import Recommendations


def count_interactions(histories: Histories, split: Split) -> np.ndarray:
  """Counts the interactions with each item in the training windows.

  Args:
    histories: of the catalog.
    split: of these histories; nothing after its training windows is counted.

  Returns:
    int64 [num_items].
  """
  trained = histories.item_ids[split.train_mask(histories)]
  return np.bincount(trained, minlength=histories.num_items)


class PopularityRecommender:
  """Recommends the most frequent items; of equals, the lower number first.

  Attributes:
    counts: [num_items], interactions with each item in training.
  """

  def __init__(self, counts: np.ndarray):
    self.counts = np.asarray(counts)
    self._scores = jnp.asarray(self.counts, jnp.float32)

  def recommend(
      self, batch: Mapping[str, np.ndarray], k: int, exclude_history: bool
  ) -> Recommendations:
    """Recommends `k` items; see `plum_jax.evaluation.protocols.Recommender`.

    The scores are the counts.
    """
    history = batch['history_item_ids']
    scores = jnp.broadcast_to(
        self._scores[None, :], (len(history), len(self.counts))
    )
    return top_items.top_items(scores, history, k, exclude_history)

  def score(
      self, batch: Mapping[str, np.ndarray], candidate_item_ids: np.ndarray
  ) -> np.ndarray:
    """Scores candidates; see `plum_jax.evaluation.protocols.CandidateScorer`.

    The scores are the counts.
    """
    del batch  # The same for everyone.
    return self.counts.astype(np.float32)[candidate_item_ids]
