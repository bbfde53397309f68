# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SASRec with full-softmax cross-entropy over the whole catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.baselines.history_recommender import HistoryRecommender
from plum_jax.baselines.item_table import item_logits
from plum_jax.baselines.sasrec_network import SasrecConfig
from plum_jax.baselines.sasrec_network import SasrecNetwork
from plum_jax.training import protocols


class SasrecModel:
  """Network and loss, as `plum_jax.training.protocols.Model` asks.

  A batch holds `history_item_ids` int32 [batch, max_length], padded on the
  left with -1; `target_item_ids` int32 [batch, max_length], at each position
  the item that came next; and `loss_weights` float32 [batch, max_length], 0 at
  padding. All positions of a history are predicted at once.
  """

  def __init__(self, config: SasrecConfig):
    self.config = config
    self.network = SasrecNetwork(config)

  def init(self, rng: jax.Array, batch: protocols.Batch) -> Mapping[str, Any]:
    """Initialises `params` and `params_axes`; see the protocol."""
    del batch  # The sizes come from the configuration alone.
    history = jnp.full((1, self.config.max_length), -1, jnp.int32)
    return self.network.init(rng, history)

  def loss_fn(
      self,
      params: protocols.Params,
      batch: protocols.Batch,
      rng: jax.Array | None,
  ) -> tuple[jax.Array, protocols.MetricSums]:
    """Sums the weighted cross-entropies of the next items.

    Args:
      params: the collection `params`.
      batch: as in the class's description.
      rng: key for dropout; None turns dropout off.

    Returns:
      The sum, and the metric sums of `loss`.
    """
    outputs: Any = self.network.apply(
        {'params': params},
        jnp.asarray(batch['history_item_ids']),
        deterministic=rng is None,
        rngs=None if rng is None else {'dropout': rng},
    )
    hidden, table = outputs
    logits = item_logits(hidden, table, self.config.num_items)
    weights = jnp.asarray(batch['loss_weights'])
    targets = jnp.maximum(jnp.asarray(batch['target_item_ids']), 0)
    target_logits = jnp.take_along_axis(logits, targets[:, :, None], axis=2)
    losses = jax.nn.logsumexp(logits, axis=2) - target_logits[:, :, 0]
    loss_sum = jnp.sum(losses * weights)
    return loss_sum, {'loss': (loss_sum, jnp.sum(weights))}


class SasrecRecommender(HistoryRecommender):
  """Scores the whole catalog and takes the best items.

  Attributes:
    config: sizes of the network.
  """

  def __init__(self, config: SasrecConfig, params: protocols.Params):
    self.config = config
    super().__init__(SasrecNetwork(config), config, params)
