# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a recommender's parameters and its training amount to."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import math
from typing import Any

from flax.linen import partitioning
import jax

# Logical axes of which a parameter has one row each: it is looked up in, or
# scores them.
_TABLE_AXES = frozenset({'vocab', 'item', 'item_row'})


@dataclasses.dataclass(frozen=True)
class TrainingCost:
  """Size and training of a model; None where it is not known.

  Attributes:
    num_table_params: parameters of embedding tables and output layers: those
      with an axis of tokens or of items, rows that only fill up included.
    num_network_params: all others.
    training_flops: of the whole training, also of steps after the parameters
      that were kept; see `plum_jax.models.flops`. A checkpoint that training
      began from brings more, which is not counted.
    num_examples: rows of all training batches: windows of histories, or packed
      rows.
    num_targets: the sum of the loss weights of all training batches: tokens
      that were predicted, or items.
  """

  num_table_params: int | None = None
  num_network_params: int | None = None
  training_flops: int | None = None
  num_examples: int | None = None
  num_targets: float | None = None

  def metrics(self) -> dict[str, float | None]:
    """Returns the figures by their names in `metrics.json`."""
    return {
        'parameters/tables': self.num_table_params,
        'parameters/network': self.num_network_params,
        'training/flops': self.training_flops,
        'training/examples': self.num_examples,
        'training/targets': self.num_targets,
    }


def count_parameters(variables: Mapping[str, Any]) -> tuple[int, int]:
  """Counts the parameters of tables, and all others.

  Args:
    variables: the collections `params` (arrays or shapes) and `params_axes` of
      a Linen module.

  Returns:
    The two numbers.
  """
  axes = partitioning.get_axis_names(variables['params_axes'])
  tables = others = 0
  for leaf, names in zip(
      jax.tree.leaves(variables['params']),
      jax.tree.leaves(
          axes, is_leaf=lambda x: isinstance(x, jax.sharding.PartitionSpec)
      ),
      strict=True,
  ):
    if _TABLE_AXES.intersection(names):
      tables += math.prod(leaf.shape)
    else:
      others += math.prod(leaf.shape)
  return tables, others
