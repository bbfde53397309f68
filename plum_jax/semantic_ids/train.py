# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training an RQ-VAE: k-means start, whole epochs on the device, resume."""

from __future__ import annotations

import functools
import os
import pathlib
import time
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import batches
from plum_jax.semantic_ids import co_occurrence
from plum_jax.semantic_ids import codebooks
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import kmeans
from plum_jax.semantic_ids import metrics_log
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.semantic_ids import train_step
from plum_jax.sharding import mesh as meshes

_CHECKPOINTS = 'checkpoints'
_SHOWN = ('loss', 'reconstruction', 'contrastive')


def train(
    embeddings: inputs.TokenizerInputs,
    *,
    config: rqvae.RqvaeConfig,
    training: train_step.TrainConfig,
    seed: int,
    work_directory: str | os.PathLike[str],
    partners: co_occurrence.Partners | None = None,
    mesh: jax.sharding.Mesh | None = None,
    device_bytes: int = batches.DEVICE_BYTES,
) -> rqvae_tokenizer.RqvaeTokenizer:
  """Trains an RQ-VAE, or goes on where an interrupted run stopped.

  Args:
    embeddings: of all items.
    config: the RQ-VAE's sizes.
    training: how to train.
    seed: of parameters, k-means and order of the items.
    work_directory: holds checkpoints and `metrics.jsonl` (see `metrics_log`);
      what an interrupted run left there is continued, and the result equals
      that of an uninterrupted run to the bit.
    partners: what draws a partner for each item; needed for the contrastive
      loss, and read for it alone.
    mesh: batches are cut over its axes `data` and `fsdp`; parameters, a few
      megabytes, are whole on every device. None for one device.
    device_bytes: embeddings up to this size lie on every device for the whole
      run, larger ones are sent in pieces.

  Returns:
    The trained tokenizer.

  Raises:
    InputError: embeddings that cannot be learned from, fewer items than codes,
      a contrastive loss without partners, or a loss that is no longer finite.
  """
  statistics = inputs.check_and_measure(embeddings)
  check_enough_items(embeddings, config, training)
  partners = _needed_partners(config, partners)
  module = rqvae.Rqvae(config, embeddings.modality_sizes)
  plan = batches.make_plan(
      embeddings,
      batch_size=training.batch_size,
      epochs=training.epochs,
      seed=seed,
      partners=partners is not None,
      mesh=mesh,
      device_bytes=device_bytes,
  )
  variables = _initial_variables(module, statistics, seed)
  setup = train_step.Setup(
      config,
      module.modality_sizes,
      training,
      plan.total_steps,
      None if mesh is None else meshes.batch_sharding(mesh),
  )
  work_directory = pathlib.Path(work_directory)
  with checkpoints.Checkpoints(work_directory / _CHECKPOINTS, keep=1) as saved:
    state = _first_state(saved, setup, variables, embeddings, seed)
    log_path = work_directory / metrics_log.FILE_NAME
    with metrics_log.MetricsLog(log_path, int(state.step)) as log:
      state = _run(
          setup,
          plan,
          _place(state, mesh),
          _place(variables['statistics'], mesh),
          batches.Feeder(embeddings, plan, mesh, partners),
          saved,
          log,
      )
  trained = {'params': state.params, 'statistics': variables['statistics']}
  return rqvae_tokenizer.RqvaeTokenizer(module, jax.device_get(trained))


def _needed_partners(
    config: rqvae.RqvaeConfig, partners: co_occurrence.Partners | None
) -> co_occurrence.Partners | None:
  """Returns the partners if the configuration asks for them."""
  if not config.contrastive:
    return None
  if partners is None:
    raise InputError(
        'The contrastive loss has no partners to compare items with.',
        where=f'RqvaeConfig.contrastive_weight = {config.contrastive_weight}',
        expected='co_occurrence.HistoryPartners or PairPartners',
        fix='Give partners, or set contrastive_weight = 0.',
    )
  return partners


def _first_state(
    saved: checkpoints.Checkpoints,
    setup: train_step.Setup,
    variables: dict[str, Any],
    embeddings: inputs.TokenizerInputs,
    seed: int,
) -> train_step.TrainState:
  """Reads the last checkpoint, or sets the codebooks and starts anew."""
  optimizer = train_step.make_optimizer(setup.training, setup.total_steps)
  start = functools.partial(train_step.start_state, optimizer=optimizer)
  if saved.latest_step() is not None:
    return saved.restore(jax.eval_shape(start, variables['params'])).state
  return start(start_codebooks(setup, variables, embeddings, seed))


def check_enough_items(
    embeddings: inputs.TokenizerInputs,
    config: rqvae.RqvaeConfig,
    training: train_step.TrainConfig,
) -> None:
  """Refuses codebooks that k-means could not fill."""
  largest = max(config.codebook_sizes)
  if embeddings.num_items < largest:
    raise InputError(
        f'There are {embeddings.num_items} items, fewer than the {largest} '
        'codes of a level.',
        where=embeddings.source,
        expected=f'at least {largest} items',
        fix='Choose smaller RqvaeConfig.codebook_sizes.',
    )
  if training.kmeans_items < largest:
    raise InputError(
        f'kmeans_items = {training.kmeans_items} is fewer than the {largest} '
        'codes of a level.',
        where='TrainConfig.kmeans_items',
        expected=f'at least {largest}, better ten times as many',
        fix='Correct the configuration.',
    )


# The sizes, not the module, are the key of JAX's cache of compiled programs:
# Linen modules do not compare safely.
@functools.partial(jax.jit, static_argnums=(0, 1))
def _init(config, modality_sizes, key, embeddings, present):
  return rqvae.Rqvae(config, modality_sizes).init(key, embeddings, present)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _find_codebooks(config, modality_sizes, iterations, variables, batch, key):
  module = rqvae.Rqvae(config, modality_sizes)
  z: Any = module.apply(variables, *batch, method='encode')
  return kmeans.residual_kmeans(key, z, config.codebook_sizes, iterations)


def _initial_variables(
    module: rqvae.Rqvae,
    statistics: dict[str, inputs.Statistics],
    seed: int,
) -> dict[str, Any]:
  """Draws the parameters, and fills in mean and scale of each modality."""
  embeddings = {name: np.zeros((1, n)) for name, n in module.modality_sizes}
  present = {name: np.ones(1, bool) for name in embeddings}
  variables = _init(
      module.config,
      module.modality_sizes,
      jax.random.key(seed),
      embeddings,
      present,
  )
  measured = variables['statistics']
  if module.config.standardize:
    measured = {
        f'{kind}_{name}': jax.numpy.asarray(getattr(figures, kind))
        for name, figures in statistics.items()
        for kind in ('mean', 'scale')
    }
  return {'params': variables['params'], 'statistics': measured}


def start_codebooks(
    setup: train_step.Setup,
    variables: dict[str, Any],
    embeddings: inputs.TokenizerInputs,
    seed: int,
) -> Any:
  """Sets the codebooks by k-means on encoded items, level by level.

  Args:
    setup: sizes, and how many items and iterations.
    variables: the RQ-VAE's initial variables.
    embeddings: of all items.
    seed: of the draw and of k-means.

  Returns:
    The parameters with codebooks.
  """
  rows = np.arange(embeddings.num_items)
  if len(rows) > setup.training.kmeans_items:
    generator = np.random.default_rng((seed, len(rows)))
    chosen = generator.choice(rows, setup.training.kmeans_items, replace=False)
    rows = np.sort(chosen)

  key = jax.random.fold_in(jax.random.key(seed), 1)
  found = _find_codebooks(
      setup.config,
      setup.modality_sizes,
      setup.training.kmeans_iterations,
      variables,
      embeddings.rows(rows),
      key,
  )
  return codebooks.replaced(variables['params'], found)


def _place(tree: Any, mesh: jax.sharding.Mesh | None) -> Any:
  if mesh is None:
    return jax.device_put(tree)
  return jax.device_put(tree, meshes.replicated(mesh))


def _run(
    setup: train_step.Setup,
    plan: batches.Plan,
    state: train_step.TrainState,
    statistics: Any,
    feeder: batches.Feeder,
    saved: checkpoints.Checkpoints,
    log: metrics_log.MetricsLog,
) -> train_step.TrainState:
  """Runs all calls that are left, recording and saving as they go."""
  first = int(state.step)
  key = None
  if setup.config.progressive_masking:
    key = jax.random.fold_in(jax.random.key(plan.seed), 2)
  report = progress.Progress(
      'semantic_ids: train', plan.total_steps, 'steps', start=first
  )

  def record(metrics, step):
    lines = metrics_log.lines_of_call(
        metrics, step, plan.group_steps, plan.epoch_steps
    )
    log.write(lines)
    last = lines[-1]
    _check_finite(last, log.path)
    report.update(
        int(last['step']),
        {name: last[name] for name in _SHOWN if name in last},
    )

  pending = None
  saved_at = time.monotonic()
  for step in range(first, plan.total_steps, plan.call_steps):
    state, metrics = train_step.train_steps(
        setup, state, statistics, *feeder(step), key
    )
    # The figures of the call before: the device already works on this one.
    if pending is not None:
      record(*pending)
    pending = metrics, step
    if time.monotonic() - saved_at >= setup.training.checkpoint_seconds:
      record(*pending)
      pending = None
      saved.save(step + plan.call_steps, state)
      saved_at = time.monotonic()
  if pending is not None:
    record(*pending)
  return state


def _check_finite(line: dict[str, float], path: pathlib.Path) -> None:
  if not np.isfinite(line['loss']):
    raise InputError(
        'The loss of the RQ-VAE is no longer finite.',
        where=f'{path}, step {line["step"]:.0f}',
        expected='a loss that falls',
        fix='Lower TrainConfig.learning_rate. Delete the work folder to start '
        'anew.',
    )
