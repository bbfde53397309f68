# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Optimizers from plain values, and where their state lies on the mesh."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import jax
import numpy as np
import optax

from plum_jax.artifacts.errors import InputError
from plum_jax.training import schedules

Path = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class AdamW:
  """Adam with decoupled weight decay (arXiv 1711.05101).

  Attributes:
    schedule: the learning rate.
    b1: decay of the mean of gradients.
    b2: decay of the mean of squared gradients.
    eps: added to the denominator.
    weight_decay: times the learning rate, the part of a parameter that each
      step takes away. Parameters of one dimension (biases, scales) keep it.
    no_decay: regular expressions; parameters whose name one of them finds are
      not decayed either, such as `embedding$`.
    max_gradient_norm: gradients of a larger global norm are scaled down to
      it; None means never.
  """

  schedule: schedules.ScheduleConfig = schedules.Constant()
  b1: float = 0.9
  b2: float = 0.999
  eps: float = 1e-8
  weight_decay: float = 0.0
  no_decay: tuple[str, ...] = ()
  max_gradient_norm: float | None = None


@dataclasses.dataclass(frozen=True)
class Adafactor:
  """Adafactor (arXiv 1804.04235), by default with T5's settings.

  Attributes:
    schedule: the learning rate, relative to each parameter's scale if
      `relative_to_parameter_scale`.
    relative_to_parameter_scale: whether a step is a fraction of a parameter's
      root mean square, at least 1e-3 (section 8).
    decay_rate: the mean of squared gradients at step t decays with
      `1 - t ** -decay_rate` (section 7.2).
    clipping_threshold: updates of a larger root mean square are scaled down to
      it (section 6); None means never.
    min_factored_size: matrices whose two largest dimensions reach it are
      factored (section 3). T5 uses 128.
    momentum: decay of the mean of updates; None means no momentum, as T5.
    weight_decay: the part of a parameter that each step takes away, whatever
      the learning rate.
    no_decay: as for `AdamW`.
    max_gradient_norm: as for `AdamW`.
  """

  schedule: schedules.ScheduleConfig = schedules.InverseSquareRoot()
  relative_to_parameter_scale: bool = True
  decay_rate: float = 0.8
  clipping_threshold: float | None = 1.0
  min_factored_size: int = 128
  momentum: float | None = None
  weight_decay: float = 0.0
  no_decay: tuple[str, ...] = ()
  max_gradient_norm: float | None = None


OptimizerConfig = AdamW | Adafactor


def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
  """Makes the optimizer.

  Args:
    config: which one.

  Returns:
    The transformation from gradients to updates.
  """
  schedule = schedules.make_schedule(config.schedule)

  def decayed(params):
    return decay_mask(params, config.no_decay)

  if isinstance(config, AdamW):
    optimizer = optax.adamw(
        schedule,
        b1=config.b1,
        b2=config.b2,
        eps=config.eps,
        weight_decay=config.weight_decay,
        mask=decayed,
    )
  else:
    optimizer = optax.adafactor(
        schedule,
        min_dim_size_to_factor=config.min_factored_size,
        decay_rate=config.decay_rate,
        multiply_by_parameter_scale=config.relative_to_parameter_scale,
        clipping_threshold=config.clipping_threshold,
        momentum=config.momentum,
        weight_decay_rate=config.weight_decay or None,
        weight_decay_mask=decayed,
    )
  if config.max_gradient_norm is None:
    return optimizer
  return optax.chain(
      optax.clip_by_global_norm(config.max_gradient_norm), optimizer
  )


def decay_mask(params: Any, no_decay: tuple[str, ...] = ()) -> Any:
  """Says which parameters weight decay applies to.

  Args:
    params: a tree of arrays or shapes.
    no_decay: regular expressions of names to leave out.

  Returns:
    A tree like `params` of bools: parameters of at least two dimensions whose
    name no expression finds.

  Raises:
    InputError: an expression finds no parameter.

  >>> params = {'kernel': np.zeros((2, 2)), 'scale': np.zeros(2)}
  >>> decay_mask(params)
  {'kernel': True, 'scale': False}
  """
  names = [
      jax.tree_util.keystr(path, simple=True, separator='/')
      for path, _ in jax.tree_util.tree_leaves_with_path(params)
  ]
  for pattern in no_decay:
    if not any(re.search(pattern, name) for name in names):
      raise InputError(
          f'No parameter is named like no_decay={pattern!r}.',
          where='optimizer.no_decay',
          expected=f'an expression that finds one of {", ".join(names[:8])} …',
          fix='Correct the expression or remove it.',
      )
  leaves, structure = jax.tree.flatten(params)
  mask = [
      len(leaf.shape) > 1
      and not any(re.search(pattern, name) for pattern in no_decay)
      for name, leaf in zip(names, leaves, strict=True)
  ]
  return jax.tree.unflatten(structure, mask)


def state_specs(
    optimizer_state_shapes: Any, params_shapes: Any, param_specs: Any
) -> Any:
  """Places an optimizer's state beside the parameters that it belongs to.

  Args:
    optimizer_state_shapes: `jax.eval_shape` of the optimizer's `init`.
    params_shapes: the shapes of the parameters.
    param_specs: a tree like `params_shapes` of `PartitionSpec`, of mesh axes or
      of logical ones.

  Returns:
    A tree like `optimizer_state_shapes` of `PartitionSpec`: arrays of a
    parameter's shape lie as it does, Adafactor's rows and columns as its
    remaining dimensions do, and counters on every device.
  """
  shape_of = dict(jax.tree_util.tree_leaves_with_path(params_shapes))
  spec_of = dict(
      jax.tree_util.tree_leaves_with_path(
          param_specs,
          is_leaf=lambda x: isinstance(x, jax.sharding.PartitionSpec),
      )
  )

  def place(path: Path, leaf: Any) -> jax.sharding.PartitionSpec:
    for start in range(len(path)):
      if path[start:] in spec_of:
        return _state_spec(
            jax.tree_util.keystr(path[start - 1 : start], simple=True),
            leaf.shape,
            shape_of[path[start:]].shape,
            spec_of[path[start:]],
        )
    return jax.sharding.PartitionSpec()

  return jax.tree_util.tree_map_with_path(place, optimizer_state_shapes)


def state_shardings(
    optimizer_state_shapes: Any,
    params_shapes: Any,
    shardings: Any,
    mesh: jax.sharding.Mesh,
) -> Any:
  """Places an optimizer's state on the mesh; see `state_specs`.

  Args:
    optimizer_state_shapes: `jax.eval_shape` of the optimizer's `init`.
    params_shapes: the shapes of the parameters.
    shardings: a tree like `params_shapes` of `NamedSharding`.
    mesh: the mesh.

  Returns:
    A tree like `optimizer_state_shapes` of `NamedSharding`.
  """
  specs = state_specs(
      optimizer_state_shapes,
      params_shapes,
      jax.tree.map(lambda sharding: sharding.spec, shardings),
  )
  return jax.tree.map(
      lambda spec: jax.sharding.NamedSharding(mesh, spec),
      specs,
      is_leaf=lambda x: isinstance(x, jax.sharding.PartitionSpec),
  )


def _state_spec(
    statistic: str,
    shape: tuple[int, ...],
    param_shape: tuple[int, ...],
    param_spec: jax.sharding.PartitionSpec,
) -> jax.sharding.PartitionSpec:
  """Places one array of an optimizer's state."""
  if shape == param_shape:
    return param_spec
  if len(param_shape) > 1 and statistic in ('v_row', 'v_col'):
    # Optax takes the largest dimension out of rows, the second out of columns.
    removed = int(np.argsort(param_shape)[-1 if statistic == 'v_row' else -2])
    if shape == (*param_shape[:removed], *param_shape[removed + 1 :]):
      entries = [*param_spec, *[None] * (len(param_shape) - len(param_spec))]
      del entries[removed]
      return jax.sharding.PartitionSpec(*entries)
  return jax.sharding.PartitionSpec()
