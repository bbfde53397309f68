# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The network of the large embedding model (LEM)."""

from __future__ import annotations

import dataclasses

from flax import linen as nn
import jax

from plum_jax.baselines import history_transformer
from plum_jax.baselines import item_table
from plum_jax.baselines.history_transformer import HistoryTransformerConfig


@dataclasses.dataclass(frozen=True)
class LemConfig(HistoryTransformerConfig):
  """Sizes of the network; see the base class for the others.

  Attributes:
    tied_output: whether the input table scores the items too. Otherwise there
      is an output table of the same shape.
  """

  tied_output: bool = False


class LemNetwork(history_transformer.Parameters):
  """A transformer over item-id embeddings, in kind PLUM's baseline.

  PLUM (arXiv 2510.07784) compares with a "large embedding model", a transformer
  whose parameters lie for the most part in a table of O(10M) items; it gives no
  sizes. The blocks are SASRec's; both tables are cut by rows over the mesh.
  """

  config: LemConfig

  @nn.compact
  def __call__(
      self, history_item_ids: jax.Array, *, deterministic: bool = True
  ) -> tuple[jax.Array, jax.Array]:
    """Reads histories.

    Args:
      history_item_ids: int32 `[batch, max_length]`, newest last, padded on the
        left with a negative number.
      deterministic: whether dropout is off.

    Returns:
      The hidden states `[batch, max_length, embed]`, and the table
      `[table_size, embed]` whose products with them score the items.
    """
    config = self.config
    shape = (config.table_size, config.embed_size)
    table = self.weight('item_embedding', shape, item_table.TABLE_AXES)
    output = table
    if not config.tied_output:
      output = self.weight('output_embedding', shape, item_table.TABLE_AXES)
    hidden = history_transformer.read_history(
        self,
        config,
        item_table.look_up(table, history_item_ids),
        history_item_ids >= 0,
        deterministic,
    )
    return hidden, output
