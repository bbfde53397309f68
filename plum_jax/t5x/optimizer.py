# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""This project's optimizers as T5X's, Adafactor's factored state included."""

from __future__ import annotations

from typing import Any

from flax import serialization
from flax import traverse_util
from flax.core import frozen_dict
import jax
from t5x import optimizers as t5x_optimizers

from plum_jax.training import optimizers


class Optimizer(t5x_optimizers.OptaxWrapper):
  """An Optax optimizer whose state lies beside the parameters.

  T5X's own wrapper has rules for some of Optax's states, and none for
  Adafactor's; here every array lies as `training.optimizers.state_specs` says.
  The learning rate is the optimizer's own schedule, not the trainer's.
  """

  def __init__(self, config: optimizers.OptimizerConfig):
    """Makes the optimizer.

    Args:
      config: as for our own launcher.
    """
    super().__init__(optimizers.make_optimizer(config))

  def derive_logical_axes(self, optimizer: Any, param_logical_axes: Any) -> Any:
    """Names the logical axes of parameters and state.

    Args:
      optimizer: T5X's optimizer, of shapes.
      param_logical_axes: a tree like the parameters, of T5X's PartitionSpecs.

    Returns:
      The optimizer with PartitionSpecs for arrays, None where all devices have
      the whole.
    """
    axes = optimizers.state_specs(
        frozen_dict.unfreeze(optimizer.state.param_states),
        frozen_dict.unfreeze(optimizer.target),
        frozen_dict.unfreeze(param_logical_axes),
    )
    everything = jax.tree.map(lambda _: None, optimizer.state_dict())
    everything['target'] = frozen_dict.unfreeze(param_logical_axes)
    # As `state_dict` does: nodes without arrays are left out.
    everything['state']['param_states'] = traverse_util.unflatten_dict(
        traverse_util.flatten_dict(serialization.to_state_dict(axes))
    )
    return optimizer.restore_state(everything)
