# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""BPR-MF: matrix factorization that learns which of two items is preferred."""

from __future__ import annotations

from collections.abc import Mapping
import copy
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.baselines import factorization
from plum_jax.baselines import top_items
from plum_jax.baselines.factorization import Factorization
from plum_jax.baselines.factorization import FactorizationConfig
from plum_jax.evaluation.protocols import Recommendations
from plum_jax.training import protocols


class BprMfModel:
  """Network and loss, as `plum_jax.training.protocols.Model` asks.

  Bayesian personalized ranking (arXiv 1205.2618): with the difference x of the
  scores of an item that the user chose and of one that the user did not, the
  loss is -log sigmoid(x), and the squared norm of the parameters that x was
  computed from times `regularization`. That items have a bias is our choice.

  A batch holds `user`, `positive_item_ids` and `negative_item_ids` int32
  [batch], and `loss_weights` float32 [batch].
  """

  def __init__(self, config: FactorizationConfig, regularization: float = 0.0):
    self.config = config
    self.regularization = regularization
    self.network = Factorization(config)

  def init(self, rng: jax.Array, batch: protocols.Batch) -> Mapping[str, Any]:
    """Initialises `params` and `params_axes`; see the protocol."""
    del batch  # The sizes come from the configuration alone.
    one = jnp.zeros((1, 1), jnp.int32)
    return self.network.init(rng, one[0], one)

  def loss_fn(
      self,
      params: protocols.Params,
      batch: protocols.Batch,
      rng: jax.Array | None,
  ) -> tuple[jax.Array, protocols.MetricSums]:
    """Sums the weighted losses of pairs.

    Args:
      params: the collection `params`.
      batch: as in the class's description.
      rng: not used.

    Returns:
      The sum, and the metric sums of `loss` and of `pair_accuracy`, the share
      of pairs in their right order.
    """
    del rng
    items = jnp.stack(
        [
            jnp.asarray(batch['positive_item_ids']),
            jnp.asarray(batch['negative_item_ids']),
        ],
        axis=1,
    )
    outputs: Any = self.network.apply(
        {'params': params}, jnp.asarray(batch['user']), items
    )
    scores, norms = outputs
    difference = scores[:, 0] - scores[:, 1]
    losses = jax.nn.softplus(-difference) + self.regularization * norms
    weights = jnp.asarray(batch['loss_weights'])
    loss_sum, total = jnp.sum(losses * weights), jnp.sum(weights)
    in_order = jnp.sum((difference > 0) * weights)
    return loss_sum, {
        'loss': (loss_sum, total),
        'pair_accuracy': (in_order, total),
    }


class BprMfRecommender:
  """Recommends and scores by the user's vector; histories are not read.

  Attributes:
    config: sizes of the model.
    params: the trained collection `params`.
  """

  def __init__(self, config: FactorizationConfig, params: protocols.Params):
    self.config = config
    self.params = params
    self._catalog = jax.jit(
        functools.partial(
            factorization.score_catalog, num_items=config.num_items
        )
    )
    network = Factorization(config)
    self._candidates = jax.jit(
        lambda params, user, item_ids: network.apply(
            {'params': params}, user, item_ids
        )[0]
    )

  def with_params(self, params: protocols.Params) -> BprMfRecommender:
    """Returns a recommender of other parameters, without compiling anew."""
    other = copy.copy(self)
    other.params = params
    return other

  def recommend(
      self, batch: Mapping[str, np.ndarray], k: int, exclude_history: bool
  ) -> Recommendations:
    """Recommends `k` items; see `plum_jax.evaluation.protocols.Recommender`.

    Args:
      batch: `user` int32 [batch], and `history_item_ids`.
      k: number of items.
      exclude_history: whether items of the history are left out.

    Returns:
      The items.
    """
    scores = self._catalog(self.params, np.asarray(batch['user'], np.int32))
    return top_items.top_items(
        scores, batch['history_item_ids'], k, exclude_history
    )

  def score(
      self, batch: Mapping[str, np.ndarray], candidate_item_ids: np.ndarray
  ) -> jax.Array:
    """Scores candidates; see `evaluation.protocols.CandidateScorer`."""
    user = np.asarray(batch['user'], np.int32)
    return self._candidates(self.params, user, candidate_item_ids)
