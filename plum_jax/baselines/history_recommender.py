# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A network that reads histories as a recommender of the whole catalog."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.baselines import item_table
from plum_jax.baselines import top_items
from plum_jax.baselines.history_transformer import HistoryTransformerConfig
from plum_jax.evaluation.protocols import Recommendations
from plum_jax.training import protocols


class HistoryRecommender:
  """Scores the whole catalog and takes the best items.

  Attributes:
    params: the trained collection `params`.
  """

  def __init__(
      self,
      network: nn.Module,
      sizes: HistoryTransformerConfig,
      params: protocols.Params,
  ):
    """Prepares the scoring; nothing is compiled yet.

    Args:
      network: maps int32 `[batch, max_length]` to hidden states and the table
        that scores the items.
      sizes: of the network.
      params: its parameters.
    """
    self.params = params
    self._length = sizes.max_length

    def scores(params, history_item_ids):
      outputs: Any = network.apply({'params': params}, history_item_ids)
      hidden, table = outputs
      logits = item_table.item_logits(hidden[:, -1:, :], table, sizes.num_items)
      return logits[:, 0, : sizes.num_items]

    def candidate_scores(params, history_item_ids, candidate_item_ids):
      outputs: Any = network.apply({'params': params}, history_item_ids)
      hidden, table = outputs
      rows = item_table.look_up(table, candidate_item_ids)
      return jnp.einsum('be,bne->bn', hidden[:, -1], rows)

    self._scores = jax.jit(scores)
    self._candidate_scores = jax.jit(candidate_scores)

  def with_params(self, params: protocols.Params) -> HistoryRecommender:
    """Returns a recommender of other parameters, without compiling anew."""
    other = copy.copy(self)
    other.params = params
    return other

  def recommend(
      self, batch: Mapping[str, np.ndarray], k: int, exclude_history: bool
  ) -> Recommendations:
    """Recommends `k` items; see `plum_jax.evaluation.protocols.Recommender`.

    Histories longer than `max_length` are read from their newest items; all
    their items are excluded if `exclude_history`.
    """
    history = np.asarray(batch['history_item_ids'])
    scores = self._scores(self.params, self._newest(history))
    return top_items.top_items(scores, history, k, exclude_history)

  def score(
      self, batch: Mapping[str, np.ndarray], candidate_item_ids: np.ndarray
  ) -> jax.Array:
    """Scores candidates; see `plum_jax.evaluation.protocols.CandidateScorer`.

    The scores are the logits that `recommend` takes the best of.
    """
    history = np.asarray(batch['history_item_ids'])
    return self._candidate_scores(
        self.params, self._newest(history), candidate_item_ids
    )

  def _newest(self, history: np.ndarray) -> np.ndarray:
    """Cuts or pads histories to the length that the network reads."""
    newest = history[:, -self._length :]
    missing = self._length - newest.shape[1]
    return np.pad(newest, ((0, 0), (missing, 0)), constant_values=-1)
