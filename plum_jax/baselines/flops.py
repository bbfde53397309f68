# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How many FLOPs the baselines' networks ask for, by formula.

Counted as in `plum_jax.models.flops`: matrix products and attention, padding
and masked pairs included; look-ups, norms, dropout, the optimizer and the
drawing of negatives are left out.
"""

from __future__ import annotations

from plum_jax.baselines.history_transformer import HistoryTransformerConfig
from plum_jax.baselines.lem_network import LemConfig
from plum_jax.baselines.sasrec_network import SasrecConfig
from plum_jax.models import flops


def forward(
    config: HistoryTransformerConfig, *, batch_size: int, num_candidates: int
) -> int:
  """Returns the FLOPs of one forward pass over whole histories.

  Args:
    config: sizes of the network.
    batch_size: rows of `max_length` positions.
    num_candidates: items that each position's hidden state is multiplied with.

  Returns:
    FLOPs of all rows.

  >>> config = HistoryTransformerConfig(
  ...     num_items=9, max_length=1, embed_size=2, num_layers=1, num_heads=1,
  ...     mlp_size=3)
  >>> forward(config, batch_size=1, num_candidates=10)  # 2 * 28 + 8 + 2 * 20
  104
  """
  width, length = config.embed_size, config.max_length
  layer = 2 * (4 * width * width + 2 * width * config.mlp_size) * length
  layer += 4 * width * length * length
  scores = 2 * width * num_candidates * length
  return batch_size * (config.num_layers * layer + scores)


def sasrec_training_step(config: SasrecConfig, *, batch_size: int) -> int:
  """Returns the FLOPs of a training step with the full softmax.

  Args:
    config: sizes of the network.
    batch_size: windows of a step.
  """
  return flops.TRAINING * forward(
      config, batch_size=batch_size, num_candidates=config.table_size
  )


def lem_training_step(
    config: LemConfig, *, batch_size: int, num_negatives: int
) -> int:
  """Returns the FLOPs of a training step with the sampled softmax.

  Args:
    config: sizes of the network.
    batch_size: windows of a step.
    num_negatives: negatives of the whole batch, which each position is scored
      against beside its target.
  """
  return flops.TRAINING * forward(
      config, batch_size=batch_size, num_candidates=num_negatives + 1
  )
