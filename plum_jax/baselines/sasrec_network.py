# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The network of SASRec: causal self-attention over item embeddings."""

from __future__ import annotations

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.baselines import history_transformer
from plum_jax.baselines.history_transformer import HistoryTransformerConfig


@dataclasses.dataclass(frozen=True)
class SasrecConfig(HistoryTransformerConfig):
  """Sizes of the network; see the base class."""


class SasrecNetwork(history_transformer.Parameters):
  """Self-attentive sequential recommendation (arXiv 1808.09781).

  The output is tied to the item embeddings.
  """

  config: SasrecConfig

  @nn.compact
  def __call__(
      self, history_item_ids: jax.Array, *, deterministic: bool = True
  ) -> tuple[jax.Array, jax.Array]:
    """Reads histories.

    Args:
      history_item_ids: int32 `[batch, max_length]`, newest last, padded on the
        left with a negative number. The position counts from the newest item.
      deterministic: whether dropout is off.

    Returns:
      The hidden states `[batch, max_length, embed]`, and the table
      `[table_size, embed]` whose products with them score the items.
    """
    config = self.config
    table = self.weight(
        'item_embedding',
        (config.table_size, config.embed_size),
        ('item', 'embed'),
    )
    hidden = history_transformer.read_history(
        self,
        config,
        table[jnp.maximum(history_item_ids, 0)],
        history_item_ids >= 0,
        deterministic,
    )
    return hidden, table
