# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The training step: a pure function, built from shapes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import compiler_options
from plum_jax.training import first_parameters
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training import state as states
from plum_jax.training import trainable
from plum_jax.training.config import TrainConfig
from plum_jax.training.protocols import Batch
from plum_jax.training.protocols import MetricSums
from plum_jax.training.protocols import Model
from plum_jax.training.state import TrainState

PartitionSpec = jax.sharding.PartitionSpec


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Report:
  """What a step tells the host, if it asks; scalars on the device.

  Attributes:
    metric_sums: sums since the last logged step.
    gradient_norm: global norm of the batch's gradient before clipping.
    learning_rate: the rate of this step.
    failed_step: as in `TrainState`.
  """

  metric_sums: MetricSums
  gradient_norm: jax.Array
  learning_rate: jax.Array
  failed_step: jax.Array


@dataclasses.dataclass(frozen=True)
class Program:
  """The functions of a training run, ready to be compiled.

  Attributes:
    state_shapes: shapes and shardings of the state.
    batch_shapes: shapes and shardings of a batch.
    init: makes the first state in its place on the mesh, with random
      parameters; compiles when it is called.
    init_from: jitted, makes the first state of parameters (donated) that are
      there already.
    step: jitted, from a state (donated) and a batch to a state and a report.
  """

  state_shapes: TrainState
  batch_shapes: Mapping[str, jax.ShapeDtypeStruct]
  init: Callable[[], TrainState]
  init_from: Callable[[Any], TrainState]
  step: Any

  def lower_step(self) -> jax.stages.Lowered:
    """Lowers the step for the mesh's devices, which need not be here."""
    return self.step.lower(self.state_shapes, self.batch_shapes)


def build_program(
    model: Model,
    config: TrainConfig,
    mesh: jax.sharding.Mesh,
    rules: axis_rules.AxisRules,
    batch_shapes: Mapping[str, Any],
    tpu_compiler_options: Mapping[str, Any] | None = None,
) -> Program:
  """Builds a run's functions from shapes alone.

  Args:
    model: the network and its loss.
    config: how to train.
    mesh: the mesh, of real devices or of a topology's description.
    rules: the axis rules.
    batch_shapes: shape and dtype of each feature of a global batch.
    tpu_compiler_options: options of the TPU compiler by name, for the step;
      not used where the mesh is of other devices, which do not know them.

  Returns:
    The functions; nothing has been compiled yet.

  Raises:
    InputError: batch, microbatches, rules and mesh do not fit each other.
  """
  shapes: dict[str, Any] = {
      name: jax.ShapeDtypeStruct(
          leaf.shape, leaf.dtype, sharding=meshes.batch_sharding(mesh)
      )
      for name, leaf in batch_shapes.items()
  }
  _check_batch(shapes, config, mesh)
  optimizer = optimizers.make_optimizer(config.optimizer)
  state = states.state_shapes(
      model, optimizer, shapes, mesh, rules, config.trainable
  )
  shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
  everywhere = meshes.replicated(mesh)

  def begin(params):
    with axis_rules.activation_rules(mesh, rules):
      return states.init_state(
          model,
          optimizer,
          shapes,
          params,
          state.metric_sums,
          config.trainable,
      )

  init_from = jax.jit(
      begin,
      in_shardings=(shardings.params,),
      out_shardings=shardings,
      donate_argnums=0,
      compiler_options=compiler_options.of_one_run(everywhere),
  )

  def init():
    with axis_rules.activation_rules(mesh, rules):
      params = first_parameters.make(
          lambda key: model.init(key, shapes)['params'],
          states.init_keys(config.seed)[0],
          shardings.params,
      )
    return init_from(params)

  def step(state, batch):
    with axis_rules.activation_rules(mesh, rules):
      return _train_step(
          model, optimizer, config, shardings.params, state, batch
      )

  return Program(
      state_shapes=state,
      batch_shapes=shapes,
      init=init,
      init_from=init_from,
      step=jax.jit(
          step,
          in_shardings=(shardings, meshes.batch_sharding(mesh)),
          out_shardings=(shardings, everywhere),
          donate_argnums=0,
          compiler_options=compiler_options.of_steps(
              mesh, tpu_compiler_options
          ),
      ),
  )


def lower_train_step(
    model: Model,
    config: TrainConfig,
    mesh: jax.sharding.Mesh,
    rules: axis_rules.AxisRules,
    batch_shapes: Mapping[str, Any],
    tpu_compiler_options: Mapping[str, Any] | None = None,
) -> jax.stages.Lowered:
  """Lowers the training step for a mesh, without parameters or data.

  Args:
    model: the network and its loss.
    config: how to train.
    mesh: the mesh; devices of `jax.experimental.topologies` serve too.
    rules: the axis rules.
    batch_shapes: shape and dtype of each feature of a global batch.
    tpu_compiler_options: see `build_program`.

  Returns:
    What `compile()` turns into a program with memory and cost analysis.
  """
  return build_program(
      model, config, mesh, rules, batch_shapes, tpu_compiler_options
  ).lower_step()


def _check_batch(
    shapes: Mapping[str, jax.ShapeDtypeStruct],
    config: TrainConfig,
    mesh: jax.sharding.Mesh,
) -> None:
  """Checks that a batch can be cut over the mesh and into microbatches."""
  sizes = {name: leaf.shape[0] for name, leaf in shapes.items() if leaf.shape}
  pieces = meshes.num_batch_shards(mesh) * config.num_microbatches
  if len(sizes) < len(shapes) or len(set(sizes.values())) != 1:
    raise InputError(
        'The features of a batch have different leading dimensions.',
        where={name: leaf.shape for name, leaf in shapes.items()},
        expected='one batch size for all',
        fix='Correct the input pipeline.',
    )
  batch_size = next(iter(sizes.values()))
  if batch_size % pieces:
    raise InputError(
        f'A batch of {batch_size} cannot be cut into {pieces} equal pieces.',
        where=f'mesh {dict(mesh.shape)}, '
        f'num_microbatches={config.num_microbatches}',
        expected='a multiple of data x fsdp x num_microbatches',
        fix=f'Choose a batch size that {pieces} divides.',
    )


def _train_step(
    model: Model,
    optimizer: optax.GradientTransformation,
    config: TrainConfig,
    params_shardings: Any,
    state: TrainState,
    batch: Batch,
) -> tuple[TrainState, Report]:
  """Computes one step; see `Program.step`."""
  # From seed and step alone, so that a resumed run draws the same numbers.
  key = jax.random.fold_in(states.init_keys(config.seed)[1], state.step)
  params, frozen = trainable.split(state.params, config.trainable)
  gradient, sums = _mean_gradient(
      lambda params, batch, key: model.loss_fn(
          trainable.join(params, frozen), batch, key
      ),
      config.num_microbatches,
      trainable.split(params_shardings, config.trainable)[0],
      params,
      batch,
      key,
  )
  loss_sum = sums['loss'][0]
  gradient = jax.tree.map(lambda g, p: g.astype(p.dtype), gradient, params)
  gradient_norm = optax.tree.norm(gradient)
  updates, optimizer_state = optimizer.update(
      gradient, state.optimizer_state, params
  )
  # The first step of an interval starts its sums anew.
  fresh = state.step % config.log_every == 0
  metric_sums = jax.tree.map(
      lambda new, old: new + jnp.where(fresh, jnp.zeros_like(old), old),
      sums,
      state.metric_sums,
  )
  good = jnp.isfinite(loss_sum) & jnp.isfinite(gradient_norm)
  # The host looks before it evaluates or saves; what the steps until then make
  # of a failed one is of no use to anyone, and not worth a copy of the state.
  failed_step = jnp.where(
      good | (state.failed_step >= 0), state.failed_step, state.step + 1
  )
  new = TrainState(
      step=state.step + 1,
      params=trainable.join(optax.apply_updates(params, updates), frozen),
      optimizer_state=optimizer_state,
      metric_sums=metric_sums,
      failed_step=failed_step,
  )
  schedule = schedules.make_schedule(config.optimizer.schedule)
  report = Report(
      metric_sums=metric_sums,
      gradient_norm=gradient_norm,
      learning_rate=jnp.asarray(schedule(state.step), jnp.float32),
      failed_step=failed_step,
  )
  return new, report


def _mean_gradient(
    batch_loss: Callable[..., tuple[jax.Array, MetricSums]],
    num_microbatches: int,
    params_shardings: Any,
    params: Any,
    batch: Batch,
    key: jax.Array,
) -> tuple[Any, MetricSums]:
  """Computes gradient of the loss's mean, and metric sums, over a batch.

  Args:
    batch_loss: as `Model.loss_fn`.
    num_microbatches: pieces to compute one after another.
    params_shardings: where the parameters, and so the gradient, lie.
    params: the parameters to differentiate by.
    batch: the batch.
    key: the key for dropout.

  Returns:
    The gradient in float32, and the metric sums.
  """
  whole = num_microbatches == 1

  def loss_fn(params, microbatch, key):
    loss_sum, sums = batch_loss(params, microbatch, key)
    # The weight of the whole batch is not known to a part of it.
    return loss_sum / _positive(sums['loss'][1]) if whole else loss_sum, sums

  value_and_gradient = jax.value_and_grad(loss_fn, has_aux=True)

  def compute(microbatch, key):
    (_, sums), gradient = value_and_gradient(params, microbatch, key)
    gradient = jax.tree.map(lambda g: g.astype(jnp.float32), gradient)
    gradient = jax.lax.with_sharding_constraint(gradient, params_shardings)
    # A device cuts its piece out here. XLA would else do so in each use of the
    # gradient, and keep all gradients whole until the last.
    return jax.lax.optimization_barrier(gradient), sums

  if whole:
    return compute(batch, key)

  def cut(leaf):
    # Every num_microbatches-th example: a microbatch then takes its share from
    # each device, and no example moves.
    size = leaf.shape[0] // num_microbatches
    pieces = leaf.reshape(size, num_microbatches, *leaf.shape[1:])
    return jax.lax.with_sharding_constraint(
        jnp.swapaxes(pieces, 0, 1), PartitionSpec(None, meshes.BATCH_AXES)
    )

  microbatches = jax.tree.map(cut, dict(batch))
  numbers = jnp.arange(num_microbatches)
  zeros = jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype),
      jax.eval_shape(
          compute, jax.tree.map(lambda leaf: leaf[0], microbatches), key
      ),
  )

  def add(total, piece):
    microbatch, number = piece
    return (
        jax.tree.map(
            jnp.add, total, compute(microbatch, jax.random.fold_in(key, number))
        ),
        None,
    )

  (gradient, sums), _ = jax.lax.scan(add, zeros, (microbatches, numbers))
  scale = 1.0 / _positive(sums['loss'][1])
  return jax.tree.map(lambda g: g * scale, gradient), sums


def _positive(weight: jax.Array) -> jax.Array:
  """A batch of padding alone has no gradient; it must not divide by zero."""
  return jnp.where(weight > 0, weight, 1.0)
