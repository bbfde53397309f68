# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Biased matrix factorization: ratings as mu + b_u + b_i + p_u · q_i."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.baselines.factorization import Factorization
from plum_jax.baselines.factorization import FactorizationConfig
from plum_jax.training import protocols


class BiasedMfModel:
  """Network and loss, as `plum_jax.training.protocols.Model` asks.

  Koren, Bell and Volinsky (Computer 42, 2009), equations 4 and 5: the squared
  error, and the squared norm of the biases and vectors that a prediction is
  computed from times `regularization`.

  A batch holds `user` and `item_ids` int32 [batch], and `ratings` float32
  [batch].
  """

  def __init__(
      self,
      config: FactorizationConfig,
      mean_rating: float,
      regularization: float = 0.0,
  ):
    self.config = config
    self.mean_rating = mean_rating
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
    """Sums squared errors and norms.

    Args:
      params: the collection `params`.
      batch: as in the class's description.
      rng: not used.

    Returns:
      The sum, and the metric sums of `loss` and of `squared_error`.
    """
    del rng
    outputs: Any = self.network.apply(
        {'params': params},
        jnp.asarray(batch['user']),
        jnp.asarray(batch['item_ids'])[:, None],
    )
    scores, norms = outputs
    errors = jnp.asarray(batch['ratings']) - self.mean_rating - scores[:, 0]
    error_sum = jnp.sum(errors**2)
    loss_sum = error_sum + self.regularization * jnp.sum(norms)
    total = jnp.full((), errors.shape[0], jnp.float32)
    return loss_sum, {
        'loss': (loss_sum, total),
        'squared_error': (error_sum, total),
    }


class BiasedMfPredictor:
  """Predicts ratings; see `plum_jax.evaluation.protocols.RatingPredictor`.

  Attributes:
    config: sizes of the model.
    mean_rating: of the training windows.
    params: the trained collection `params`.
  """

  def __init__(
      self,
      config: FactorizationConfig,
      mean_rating: float,
      params: protocols.Params,
  ):
    self.config = config
    self.mean_rating = mean_rating
    self.params = params
    network = Factorization(config)

    def predict(params, user, item_ids):
      outputs: Any = network.apply({'params': params}, user, item_ids[:, None])
      return mean_rating + outputs[0][:, 0]

    self._predict = jax.jit(predict)

  def with_params(self, params: protocols.Params) -> BiasedMfPredictor:
    """Returns a predictor of other parameters, without compiling anew."""
    other = copy.copy(self)
    other.params = params
    return other

  def predict(self, batch: Mapping[str, np.ndarray]) -> jax.Array:
    """Predicts the ratings of `user` and `rated_item_ids`; see the protocol."""
    return self._predict(
        self.params,
        np.asarray(batch['user'], np.int32),
        np.asarray(batch['rated_item_ids'], np.int32),
    )
