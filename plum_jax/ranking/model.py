# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The ranker as the trainer sees it: network, loss, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import Label
from plum_jax.ranking.network import RankerConfig
from plum_jax.ranking.network import RankerNetwork
from plum_jax.ranking.network import RankerShape
from plum_jax.training import protocols


class RankerModel:
  """Network and loss, as `plum_jax.training.protocols.Model` asks.

  A batch is that of `batches.ImpressionBatches`: the features of the network
  (see `RankerNetwork`), `labels` float32 [batch, num_labels], graded ones
  standardized, and `label_weights` float32 [batch, num_labels], 0 where a
  label is missing.

  Attributes:
    config: sizes of the network.
    shape: what follows from the data.
    labels: what is predicted.
  """

  def __init__(
      self, config: RankerConfig, shape: RankerShape, labels: Sequence[Label]
  ):
    self.config, self.shape, self.labels = config, shape, tuple(labels)
    self.network = RankerNetwork(config, shape)
    self._predict = jax.jit(self._apply)

  def init(self, rng: jax.Array, batch: protocols.Batch) -> Mapping[str, Any]:
    """Initialises `params` and `params_axes`; see the protocol."""
    one = {
        name: jnp.zeros((1, *leaf.shape[1:]), leaf.dtype)
        for name, leaf in batch.items()
    }
    return self.network.init(rng, one)

  def _apply(self, params: Any, batch: protocols.Batch) -> jax.Array:
    arrays = {name: jnp.asarray(leaf) for name, leaf in batch.items()}
    outputs: Any = self.network.apply({'params': params}, arrays)
    return outputs

  def loss_fn(
      self,
      params: protocols.Params,
      batch: protocols.Batch,
      rng: jax.Array | None,
  ) -> tuple[jax.Array, protocols.MetricSums]:
    """Sums losses over impressions and labels.

    Cross-entropy of binary labels; of graded ones half the squared error of
    the standardized value, times `graded_weight`.

    Args:
      params: the collection `params`.
      batch: as in the class's description.
      rng: not used: there is no dropout.

    Returns:
      The sum, and the metric sums of `loss` (per impression) and of each
      label's own loss.
    """
    del rng
    outputs = self._apply(params, batch)
    targets = jnp.asarray(batch['labels'])
    weights = jnp.asarray(batch['label_weights'])
    total = jnp.zeros(())
    sums = {}
    for number, label in enumerate(self.labels):
      output, target = outputs[:, number], targets[:, number]
      if label.kind == BINARY:
        losses, factor = optax.sigmoid_binary_cross_entropy(output, target), 1.0
      else:
        losses = 0.5 * jnp.square(output - target)
        factor = self.config.graded_weight
      loss = jnp.sum(losses * weights[:, number])
      sums[f'{label.name}_loss'] = (loss, jnp.sum(weights[:, number]))
      total = total + factor * loss
    count = jnp.sum(jnp.any(weights > 0, axis=1).astype(jnp.float32))
    return total, {'loss': (total, count), **sums}

  def predict(
      self, params: protocols.Params, batch: Mapping[str, np.ndarray]
  ) -> jax.Array:
    """Predicts labels, [batch, num_labels]; see `RankerNetwork`."""
    return self._predict(params, dict(batch))
