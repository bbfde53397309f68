# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What training carries from step to step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from plum_jax.artifacts import trees
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import optimizers
from plum_jax.training import trainable
from plum_jax.training.protocols import MetricSums
from plum_jax.training.protocols import Model


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
  """Everything that the next step depends on, and so what a checkpoint holds.

  Attributes:
    step: number of finished steps, int32 [].
    params: the parameters.
    optimizer_state: what the optimizer remembers.
    metric_sums: the metric sums since the last logged step. They lie here, not
      on the host, so that a resumed run logs what an uninterrupted one does.
    failed_step: the first step whose loss or gradient was not finite, int32 [],
      or -1. From then on the state is of no use.
  """

  step: jax.Array
  params: Any
  optimizer_state: Any
  metric_sums: MetricSums
  failed_step: jax.Array


def init_keys(seed: int) -> tuple[jax.Array, jax.Array]:
  """Returns the keys for the parameters and for the steps' dropout."""
  params_key, dropout_key = jax.random.split(jax.random.key(seed))
  return params_key, dropout_key


def init_state(
    model: Model,
    optimizer: optax.GradientTransformation,
    batch: Mapping[str, Any],
    params: Any,
    metric_sums: Any = None,
    patterns: Sequence[str] = (),
) -> TrainState:
  """Makes the state before the first step.

  Args:
    model: the network and its loss.
    optimizer: the optimizer.
    batch: arrays or shapes of one batch.
    params: the parameters to start from.
    metric_sums: shapes of the metric sums, if they are known already.
    patterns: which parameters the optimizer knows; see `trainable.split`.

  Returns:
    The state. Trace it under `jax.jit` with output shardings, so that a large
    model is never whole on one device.
  """
  if metric_sums is None:
    _, metric_sums = jax.eval_shape(
        model.loss_fn, params, batch, jax.random.key(0)
    )
  return TrainState(
      step=jnp.zeros((), jnp.int32),
      params=params,
      optimizer_state=optimizer.init(trainable.split(params, patterns)[0]),
      metric_sums=jax.tree.map(
          lambda x: jnp.zeros(x.shape, x.dtype), metric_sums
      ),
      failed_step=jnp.full((), -1, jnp.int32),
  )


def state_shapes(
    model: Model,
    optimizer: optax.GradientTransformation,
    batch: Mapping[str, Any],
    mesh: jax.sharding.Mesh,
    rules: axis_rules.AxisRules,
    patterns: Sequence[str] = (),
) -> TrainState:
  """Describes the state and its place on the mesh, computing nothing.

  Args:
    model: the network and its loss.
    optimizer: the optimizer.
    batch: arrays or shapes of one batch.
    mesh: the mesh.
    rules: the axis rules.
    patterns: see `init_state`.

  Returns:
    A state of `jax.ShapeDtypeStruct`s with shardings.

  Raises:
    InputError: the rules or the mesh do not fit a parameter; a pattern finds
      none.
  """
  with axis_rules.activation_rules(mesh, rules):
    variables = jax.eval_shape(
        lambda key: model.init(key, batch), jax.random.key(0)
    )
    shapes = jax.eval_shape(
        lambda params: init_state(
            model, optimizer, batch, params, patterns=patterns
        ),
        variables['params'],
    )
  params_shardings = axis_rules.param_shardings(
      variables['params_axes'], shapes.params, mesh, rules
  )
  everywhere = meshes.replicated(mesh)
  shardings = dataclasses.replace(
      jax.tree.map(lambda _: everywhere, shapes),
      params=params_shardings,
      optimizer_state=optimizers.state_shardings(
          shapes.optimizer_state,
          trainable.split(shapes.params, patterns)[0],
          trainable.split(params_shardings, patterns)[0],
          mesh,
      ),
  )
  return jax.tree.map(
      lambda shape, sharding: jax.ShapeDtypeStruct(
          shape.shape, shape.dtype, sharding=sharding
      ),
      shapes,
      shardings,
  )


def continued_state(
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]], shapes: TrainState
) -> TrainState:
  """Makes a state of what another trainer has saved.

  Args:
    read: see `protocols.Continuation`.
    shapes: the state's shapes and shardings.

  Returns:
    Its step, parameters and optimizer's state, with metric sums of 0.
  """
  saved = {
      name: getattr(shapes, name)
      for name in ('step', 'params', 'optimizer_state')
  }
  nested = trees.nest(read(trees.to_flat(saved)))

  def fill(shape: Any, value: int) -> jax.Array:
    filled = np.full(shape.shape, value, shape.dtype)
    return jax.make_array_from_callback(
        shape.shape, shape.sharding, filled.__getitem__
    )

  return TrainState(
      **trees.from_nested(nested, saved),
      metric_sums=jax.tree.map(lambda x: fill(x, 0), shapes.metric_sums),
      failed_step=fill(shapes.failed_step, -1),
  )
