# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training steps of an RQ-VAE, many in one compiled call."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, cast, NamedTuple

import jax
import jax.numpy as jnp
import optax

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import batches
from plum_jax.semantic_ids import codebooks
from plum_jax.semantic_ids import contrastive
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import tokenizer

OPTIMIZERS = ('adamw', 'adagrad')
SCHEDULES = ('constant', 'cosine')


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """How an RQ-VAE is trained.

  TIGER (section 4.1) trains with Adagrad at 0.4, constant, batches of 1,024
  and 20,000 epochs. The defaults here are our choice, for catalogs of some ten
  thousand items: within a minute on two CPU cores all codes of 3 x 256 are in
  use. Catalogs of a thousand items do better with smaller batches (128), a
  narrower network and a higher learning rate (2e-3).

  Attributes:
    optimizer: `adamw` or `adagrad`.
    learning_rate: its peak.
    schedule: `constant`, or `cosine` down to 0 after 5 % of linear warm-up.
    weight_decay: of AdamW, on kernels alone.
    batch_size: items per step; smaller catalogs make smaller batches.
    epochs: passes over the items.
    kmeans_items: the codebooks start from at most this many encoded items,
      drawn at random. TIGER takes the first batch.
    kmeans_iterations: Lloyd iterations per level at the start.
    dead_code_steps: a code that no item of this many steps in a row used is
      moved to an item of the batch; 0 never moves one. 1 is the rule of
      the ranking paper (section 3.1), right for batches much larger than the
      codebooks.
    checkpoint_seconds: shortest time between two checkpoints.
  """

  optimizer: str = 'adamw'
  learning_rate: float = 1e-3
  schedule: str = 'cosine'
  weight_decay: float = 0.0
  batch_size: int = 1024
  epochs: int = 100
  kmeans_items: int = 20_480
  kmeans_iterations: int = 20
  dead_code_steps: int = 10
  # Changes nothing about the result.
  checkpoint_seconds: float = dataclasses.field(default=60.0, compare=False)

  def __post_init__(self):
    for name, allowed in (('optimizer', OPTIMIZERS), ('schedule', SCHEDULES)):
      if getattr(self, name) not in allowed:
        self._refuse(name, f'one of {", ".join(allowed)}')
    for name in ('batch_size', 'epochs', 'kmeans_items', 'kmeans_iterations'):
      if getattr(self, name) < 1:
        self._refuse(name, 'a number of at least 1')
    for name in ('weight_decay', 'dead_code_steps', 'checkpoint_seconds'):
      if getattr(self, name) < 0:
        self._refuse(name, 'a number of at least 0')
    if not self.learning_rate > 0:
      self._refuse('learning_rate', 'a positive number')

  def _refuse(self, name: str, expected: str) -> None:
    raise InputError(
        f'{name} = {getattr(self, name)!r} cannot be used.',
        where=f'TrainConfig.{name}',
        expected=expected,
        fix='Correct the configuration.',
    )


class TrainState(NamedTuple):
  """All that changes during training.

  Attributes:
    params: the module's parameters.
    opt_state: the optimizer's state.
    idle_steps: int32 [codebook_size] per level: steps since a code was used.
    step: int32 scalar.
  """

  params: Any
  opt_state: Any
  idle_steps: tuple[jax.Array, ...]
  step: jax.Array


class StepMetrics(NamedTuple):
  """Figures of one or several steps; means are over items and partners.

  Attributes:
    loss: mean total loss, nothing masked.
    reconstruction: mean reconstruction loss, nothing masked.
    quantization: mean codebook and commitment loss.
    counts: int32 [codebook_size] per level: how many items took each code, not
      counting partners, so that an epoch counts each item once.
    resets: how many codes were dead and moved.
    contrastive: mean contrastive loss before its weight, 0 for items without
      partner; None where there is none.
  """

  loss: jax.Array
  reconstruction: jax.Array
  quantization: jax.Array
  counts: tuple[jax.Array, ...]
  resets: jax.Array
  contrastive: jax.Array | None = None


def make_optimizer(
    config: TrainConfig, total_steps: int
) -> optax.GradientTransformation:
  """Builds the optimizer and its schedule."""
  learning_rate: float | optax.Schedule = config.learning_rate
  if config.schedule == 'cosine':
    learning_rate = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(1, total_steps // 20),
        decay_steps=max(2, total_steps),
    )
  if config.optimizer == 'adagrad':
    return optax.adagrad(learning_rate)
  return optax.adamw(
      learning_rate, weight_decay=config.weight_decay, mask=_is_kernel
  )


def _is_kernel(params: Any) -> Any:
  return jax.tree_util.tree_map_with_path(
      lambda path, _: path[-1].key.startswith('kernel'), params
  )


def start_state(
    params: Any, optimizer: optax.GradientTransformation
) -> TrainState:
  """Makes the state before the first step."""
  return TrainState(
      params=params,
      opt_state=optimizer.init(params),
      idle_steps=tuple(
          jnp.zeros(len(codebook), jnp.int32)
          for codebook in codebooks.of(params)
      ),
      step=jnp.zeros((), jnp.int32),
  )


@dataclasses.dataclass(frozen=True)
class Setup:
  """What the compiled training function depends on; a key of JAX's cache.

  Attributes:
    config: the RQ-VAE's sizes.
    modality_sizes: (name, embedding width) of each modality.
    training: how to train.
    total_steps: length of the schedule.
    batch_sharding: how arrays [batch, ...] lie on a mesh; None for one device.
  """

  config: rqvae.RqvaeConfig
  modality_sizes: tuple[tuple[str, int], ...]
  training: TrainConfig
  total_steps: int
  batch_sharding: jax.sharding.NamedSharding | None = None


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_steps(
    setup: Setup,
    state: TrainState,
    statistics: Any,
    data: tuple[tokenizer.Embeddings, tokenizer.Present],
    rows: batches.Rows,
    key: jax.Array | None = None,
) -> tuple[TrainState, StepMetrics]:
  """Runs many steps as one program.

  Args:
    setup: what is trained, and how.
    state: before the steps; its memory is reused.
    statistics: the module's collection of that name.
    data: embeddings [n, dim] and present [n], per modality.
    rows: int32 [groups, steps, batch], which rows of `data` make each batch.
    key: a PRNG key, needed for progressive masking alone.

  Returns:
    The new state, and the metrics of each group, leading dimension `groups`.
  """
  place = setup.batch_sharding

  def step(state, rows):
    if place is not None:
      rows = jax.lax.with_sharding_constraint(rows, place)
    item_ids = _beside_each_other(rows)
    # A partner that is not there: any row will do, it counts for nothing.
    taken = rows.items if rows.partners is None else jnp.maximum(item_ids, 0)
    batch = jax.tree.map(lambda array: jnp.take(array, taken, axis=0), data)
    if place is not None:
      batch = jax.lax.with_sharding_constraint(batch, place)
    return train_step(setup, state, statistics, batch, item_ids, key)

  def group(state, rows):
    state, metrics = jax.lax.scan(step, state, rows)
    return state, StepMetrics(
        loss=jnp.mean(metrics.loss),
        reconstruction=jnp.mean(metrics.reconstruction),
        quantization=jnp.mean(metrics.quantization),
        counts=tuple(jnp.sum(counts, axis=0) for counts in metrics.counts),
        resets=jnp.sum(metrics.resets),
        # None stays None.
        contrastive=jax.tree.map(jnp.mean, metrics.contrastive),
    )

  return jax.lax.scan(group, state, rows)


def _beside_each_other(rows: batches.Rows) -> jax.Array:
  """Puts each partner behind its item, [2 * batch]; cuts no pair in two."""
  if rows.partners is None:
    return rows.items
  return jnp.stack([rows.items, rows.partners], axis=1).reshape(-1)


def train_step(
    setup: Setup,
    state: TrainState,
    statistics: Any,
    batch: tuple[tokenizer.Embeddings, tokenizer.Present],
    item_ids: jax.Array,
    key: jax.Array | None = None,
) -> tuple[TrainState, StepMetrics]:
  """Takes one gradient step and moves dead codes.

  L = L_recon + L_rq + weight * L_con (PLUM, section on Semantic IDs), each a
  mean over items and partners.

  Args:
    setup: what is trained, and how.
    state: before the step.
    statistics: the module's collection of that name.
    batch: embeddings [n, dim] and present [n], per modality; with the
      contrastive loss n is 2 * batch_size, each partner behind its item.
    item_ids: int32 [n], equal for equal items; -1 for a partner that is not
      there.
    key: a PRNG key, needed for progressive masking alone.

  Returns:
    The state after the step, and its metrics.
  """
  config = setup.config
  module = rqvae.Rqvae(config, setup.modality_sizes)
  optimizer = make_optimizer(setup.training, setup.total_steps)
  kept_levels = draw_levels(config, state.step, key)
  mean = functools.partial(_mean, config, item_ids)

  def loss_fn(params):
    outputs = cast(
        rqvae.Outputs,
        module.apply(
            {'params': params, 'statistics': statistics}, *batch, kept_levels
        ),
    )
    losses = rqvae.Losses(*(mean(loss) for loss in outputs.losses))
    loss = losses.reconstruction + losses.quantization
    con = None
    if outputs.projected is not None:
      con = mean(
          contrastive.info_nce(outputs.projected, item_ids, config.temperature)
      )
      loss += config.contrastive_weight * con
    return loss, (losses, con, outputs)

  (loss, (losses, con, outputs)), gradients = jax.value_and_grad(
      loss_fn, has_aux=True
  )(state.params)
  updates, opt_state = optimizer.update(
      gradients, state.opt_state, state.params
  )
  params = optax.apply_updates(state.params, updates)
  updated = TrainState(params, opt_state, state.idle_steps, state.step + 1)
  counts, partner_counts = _count(config, state, outputs, item_ids)
  residuals = outputs.quantized.residuals
  updated, resets = _revive(
      setup.training,
      optimizer,
      updated,
      tuple(map(jnp.add, counts, partner_counts)) if partner_counts else counts,
      residuals[::2] if config.contrastive else residuals,
  )
  error = losses.reconstruction
  if kept_levels is not None:
    error = mean(outputs.reconstruction_error)
    loss += error - losses.reconstruction
  return updated, StepMetrics(
      loss, error, losses.quantization, counts, resets, con
  )


def draw_levels(
    config: rqvae.RqvaeConfig, step: jax.Array, key: jax.Array | None
) -> jax.Array | None:
  """Draws how many levels a step decodes (PLUM: a random r in 1..L).

  Args:
    config: asks for progressive masking, or does not.
    step: int scalar. The draw depends on key and step alone, so that a resumed
      run draws the same.
    key: a PRNG key, the same in all steps.

  Returns:
    int32 scalar from 1 to `num_levels`; None for all, without masking.
  """
  if not config.progressive_masking:
    return None
  if key is None:
    raise ValueError('Progressive masking needs a key.')
  key = jax.random.fold_in(key, step)
  return jax.random.randint(key, (), 1, config.num_levels + 1)


def _mean(
    config: rqvae.RqvaeConfig, item_ids: jax.Array, values: jax.Array
) -> jax.Array:
  """Averages over the rows that exist."""
  if not config.contrastive:
    return jnp.mean(values)
  exists = item_ids >= 0
  return jnp.sum(jnp.where(exists, values, 0.0)) / jnp.sum(exists)


def _count(
    config: rqvae.RqvaeConfig,
    state: TrainState,
    outputs: rqvae.Outputs,
    item_ids: jax.Array,
) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
  """Counts the codes of items, and those of partners, per level."""

  def count(codes, weights=None):
    return tuple(
        jnp.bincount(codes[:, level], weights=weights, length=len(idle))
        for level, idle in enumerate(state.idle_steps)
    )

  codes = outputs.quantized.codes
  if not config.contrastive:
    return count(codes), ()
  exists = (item_ids[1::2] >= 0).astype(jnp.int32)
  return count(codes[::2]), count(codes[1::2], exists)


def _revive(
    training: TrainConfig,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    counts: tuple[jax.Array, ...],
    residuals: jax.Array,
) -> tuple[TrainState, jax.Array]:
  """Counts for how long codes were idle, and moves those that are dead."""
  idle_steps = tuple(
      jnp.where(count > 0, 0, idle + 1)
      for count, idle in zip(counts, state.idle_steps, strict=True)
  )
  if not training.dead_code_steps:
    return state._replace(idle_steps=idle_steps), jnp.zeros((), jnp.int32)
  dead = tuple(idle >= training.dead_code_steps for idle in idle_steps)
  params, opt_state = codebooks.move_dead(
      optimizer, state.params, state.opt_state, dead, residuals
  )
  idle_steps = tuple(
      jnp.where(d, 0, idle) for d, idle in zip(dead, idle_steps, strict=True)
  )
  resets = jnp.sum(jnp.stack([jnp.sum(d) for d in dead]))
  return TrainState(params, opt_state, idle_steps, state.step), resets
