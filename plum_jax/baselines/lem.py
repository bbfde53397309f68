# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The large embedding model (LEM): loss and recommender."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.baselines import item_table
from plum_jax.baselines.history_recommender import HistoryRecommender
from plum_jax.baselines.lem_network import LemConfig
from plum_jax.baselines.lem_network import LemNetwork
from plum_jax.baselines.sampled_softmax import sampled_cross_entropy
from plum_jax.training import protocols


class LemModel:
  """Network and loss, as `plum_jax.training.protocols.Model` asks.

  A batch holds what `baselines.history_windows` and
  `baselines.negative_sampling` say. The negatives of all rows are those of
  every position; each of a batch's n draws is expected to give item j
  probability(j) times. A microbatch has the negatives of its own rows.
  """

  def __init__(self, config: LemConfig):
    self.config = config
    self.network = LemNetwork(config)

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
    """Sums the weighted sampled cross-entropies of the next items.

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
    targets = jnp.asarray(batch['target_item_ids'])
    negatives = jnp.asarray(batch['negative_item_ids']).reshape(-1)
    log_probs = jnp.asarray(batch['negative_log_probs']).reshape(-1)
    losses = sampled_cross_entropy(
        hidden,
        item_table.look_up(table, targets),
        targets,
        item_table.look_up_shared(table, negatives),
        negatives,
        log_probs + math.log(negatives.size),
    )
    weights = jnp.asarray(batch['loss_weights'])
    loss_sum = jnp.sum(losses * weights)
    return loss_sum, {'loss': (loss_sum, jnp.sum(weights))}

  def validation_loss(
      self, params: protocols.Params, batch: protocols.Batch
  ) -> jax.Array:
    """Sums the full cross-entropies of the last targets, without dropout.

    Args:
      params: the collection `params`.
      batch: the same, without negatives; only the last position is looked at,
        since every item is scored.

    Returns:
      The sum.
    """
    outputs: Any = self.network.apply(
        {'params': params}, jnp.asarray(batch['history_item_ids'])
    )
    hidden, table = outputs
    logits = item_table.item_logits(
        hidden[:, -1:, :], table, self.config.num_items
    )[:, 0, :]
    targets = jnp.maximum(jnp.asarray(batch['target_item_ids'])[:, -1:], 0)
    target_logits = jnp.take_along_axis(logits, targets, axis=1)[:, 0]
    losses = jax.nn.logsumexp(logits, axis=1) - target_logits
    return jnp.sum(losses * jnp.asarray(batch['loss_weights'])[:, -1])


class LemRecommender(HistoryRecommender):
  """Scores the whole catalog and takes the best items.

  Attributes:
    config: sizes of the network.
  """

  def __init__(self, config: LemConfig, params: protocols.Params):
    self.config = config
    super().__init__(LemNetwork(config), config, params)
