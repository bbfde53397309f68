# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Fitting residual k-means: level by level on the device, with resume."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import batches
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import masked_kmeans
from plum_jax.semantic_ids import masked_points
from plum_jax.semantic_ids import metrics_log
from plum_jax.semantic_ids import residual_kmeans
from plum_jax.semantic_ids import residual_kmeans_tokenizer
from plum_jax.sharding import mesh as meshes

_CHECKPOINTS = 'checkpoints'
# Between two lines of the log.
_CALL_ITERATIONS = 10
# Seeds are drawn from so many items per code at most: more cost time in
# proportion, and what they save is less than a round of splitting does.
_SEED_ITEMS = 16
_LOGGER = logging.getLogger(__name__)


def fit(
    embeddings: inputs.TokenizerInputs,
    *,
    config: residual_kmeans.ResidualKmeansConfig,
    seed: int,
    work_directory: str | os.PathLike[str],
    mesh: jax.sharding.Mesh | None = None,
    device_bytes: int = batches.DEVICE_BYTES,
) -> residual_kmeans_tokenizer.ResidualKmeansTokenizer:
  """Finds codebooks, or goes on where an interrupted run stopped.

  Items that do not all fit on the devices are represented by a random sample
  that does, the same for the same seed; a line of the log says so. All items
  get their codes by `assign.assign` afterwards.

  Args:
    embeddings: of all items, usually memory-mapped.
    config: sizes.
    seed: of the sample and of k-means.
    work_directory: holds a checkpoint of each finished level and
      `metrics.jsonl`: a line every ten iterations or so of each level with
      `step`, the iterations so far; `level`; `reconstruction`, the mean squared
      error after this level; and its `usage_level_<l>` and
      `perplexity_level_<l>` (see `metrics_log`). What an interrupted run left
      is continued, with the same result to the bit.
    mesh: items are cut over its axes `data` and `fsdp`; codebooks are whole on
      every device. None for one device.
    device_bytes: room on each device for items and their distances from all
      codes of a level.

  Returns:
    The tokenizer.

  Raises:
    InputError: embeddings that cannot be learned from, or fewer items than
      codes.
  """
  statistics = inputs.check_and_measure(embeddings)
  if not config.standardize:
    statistics = {
        name: inputs.Statistics(np.zeros(size, np.float32), np.float32(1))
        for name, size in embeddings.modality_sizes
    }
  rows = _choose_rows(embeddings, config, seed, mesh, device_bytes)
  points = _put_points(embeddings, rows, statistics, mesh)
  work_directory = pathlib.Path(work_directory)
  with checkpoints.Checkpoints(work_directory / _CHECKPOINTS, keep=1) as saved:
    codebooks, step = _restore(saved, config, embeddings.modality_sizes)
    log_path = work_directory / metrics_log.FILE_NAME
    with metrics_log.MetricsLog(log_path, step) as log:
      run = _Run(config, embeddings.modality_sizes, len(rows), seed, mesh, log)
      for codebook in codebooks:
        points = run.residuals(points, jnp.asarray(codebook))
      for level in range(len(codebooks), len(config.codebook_sizes)):
        codebook, step = run.fit_level(points, level, step)
        codebooks = (*codebooks, jax.device_get(codebook))
        saved.save(level + 1, _named(codebooks), {'step': step})
        points = run.residuals(points, codebook)
  return residual_kmeans_tokenizer.ResidualKmeansTokenizer(
      config, embeddings.modality_sizes, statistics, codebooks
  )


def _named(codebooks):
  return {f'codebook_{i + 1}': book for i, book in enumerate(codebooks)}


def _restore(
    saved: checkpoints.Checkpoints,
    config: residual_kmeans.ResidualKmeansConfig,
    modalities: masked_points.Modalities,
) -> tuple[tuple[np.ndarray, ...], int]:
  """Reads the codebooks that are finished, and the iterations they took."""
  num_levels = saved.latest_step()
  if num_levels is None:
    return (), 0
  width = sum(size for _, size in modalities)
  shapes = [
      jax.ShapeDtypeStruct((size, width), np.float32)
      for size in config.codebook_sizes[:num_levels]
  ]
  restored = saved.restore(_named(shapes))
  codebooks = tuple(np.asarray(restored.state[name]) for name in _named(shapes))
  return codebooks, int(restored.metadata['step'])


def _choose_rows(
    embeddings: inputs.TokenizerInputs,
    config: residual_kmeans.ResidualKmeansConfig,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    device_bytes: int,
) -> np.ndarray:
  """Chooses the items to cluster, ascending."""
  num_items, largest = embeddings.num_items, max(config.codebook_sizes)
  width = sum(size for _, size in embeddings.modality_sizes)
  shards = 1 if mesh is None else meshes.num_batch_shards(mesh)
  room = device_bytes // (4 * (width + largest)) * shards
  if min(num_items, room) < largest:
    what = 'items' if num_items < largest else 'items fit on the devices'
    raise InputError(
        f'There are {num_items} items, fewer than the {largest} codes of a '
        'level.'
        if num_items < largest
        else f'{room} items fit on the devices, fewer than the {largest} codes '
        'of a level.',
        where=embeddings.source,
        expected=f'at least {largest} {what}',
        fix='Choose smaller ResidualKmeansConfig.codebook_sizes.',
    )
  rows = np.arange(num_items)
  most = min(room, config.max_items or num_items)
  if num_items <= most:
    return rows
  _LOGGER.info(
      'semantic_ids: clustering a sample of %s of %s items', most, num_items
  )
  generator = np.random.default_rng((seed, num_items))
  return np.sort(generator.choice(rows, most, replace=False, shuffle=False))


def _put_points(
    embeddings: inputs.TokenizerInputs,
    rows: np.ndarray,
    statistics: dict[str, inputs.Statistics],
    mesh: jax.sharding.Mesh | None,
) -> jax.Array:
  """Reads the items onto the devices, filled up to equal shares by no items."""
  shards = 1 if mesh is None else meshes.num_batch_shards(mesh)
  num_rows = math.ceil(len(rows) / shards) * shards
  columns = sum(size + 1 for _, size in embeddings.modality_sizes)
  # Ranges are read faster than rows by their numbers.
  whole = len(rows) == embeddings.num_items

  def read(index: Any) -> np.ndarray:
    start, stop, _ = index[0].indices(num_rows)
    last = min(stop, len(rows))
    chosen = slice(start, last) if whole else rows[start:last]
    points = np.zeros((stop - start, columns), np.float32)
    arrays, present = embeddings.rows(chosen)
    at = 0
    for name, array in arrays.items():
      part = points[: last - start, at : at + array.shape[1]]
      figures = statistics[name]
      np.subtract(array, figures.mean, out=part)
      np.multiply(part, figures.scale, out=part)
      part[~present[name]] = 0
      at += array.shape[1]
    points[: last - start, at:] = np.stack(
        [present[name] for name in arrays], 1
    )
    return points

  if mesh is None:
    return jnp.asarray(read((slice(None),)))
  return jax.make_array_from_callback(
      (num_rows, columns), meshes.batch_sharding(mesh), read
  )


# Always the same program: a resumed run must have the same residuals.
@functools.partial(jax.jit, static_argnums=2)
def _residuals(points, codebook, modalities):
  codes = masked_points.nearest(points, codebook, modalities)
  return masked_points.subtract(points, codebook, codes, modalities)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _figures(points, clusters, num_points, modalities):
  is_point = jnp.any(points[:, -len(modalities) :] > 0, axis=1)
  size = clusters.codebook.shape[0]
  counts = jax.ops.segment_sum(is_point.astype(int), clusters.codes, size)
  return jnp.sum(clusters.errors) / num_points, counts, clusters.changed


@dataclasses.dataclass(frozen=True)
class _Run:
  """What all levels of a run share; see `fit`."""

  config: residual_kmeans.ResidualKmeansConfig
  modalities: masked_points.Modalities
  num_items: int
  seed: int
  mesh: jax.sharding.Mesh | None
  log: metrics_log.MetricsLog

  def residuals(self, points: jax.Array, codebook: jax.Array) -> jax.Array:
    """Takes from each point its codeword."""
    return _residuals(points, codebook, self.modalities)

  def fit_level(
      self, points: jax.Array, level: int, step: int
  ) -> tuple[jax.Array, int]:
    """Clusters what is left after the levels before.

    Args:
      points: the residuals, see `masked_points`.
      level: from 0.
      step: iterations of the levels before.

    Returns:
      The codebook, and the iterations of all levels so far.
    """
    key = jax.random.fold_in(jax.random.key(self.seed), level)
    seeds = self._seeds(key, points, level)
    clusters = masked_kmeans.start(points, seeds, self.modalities)
    rounds = self.config.split_rounds
    # At most: a part ends early when no code changes any more.
    total = masked_kmeans.START_ITERATIONS + self.config.iterations
    total += rounds * masked_kmeans.IMPROVE_ITERATIONS
    report = progress.Progress(
        f'semantic_ids: k-means, level {level + 1}',
        total,
        'iterations',
    )

    record = functools.partial(self._record, report, points, level, step)
    record(clusters)
    for number in range(rounds):
      clusters = masked_kmeans.improve(
          jax.random.fold_in(key, number), points, clusters, self.modalities
      )
      record(clusters)
    left, changed, done = self.config.iterations, True, 0
    while changed and left:
      iterations = min(left, _CALL_ITERATIONS)
      clusters = self._iterate(points, clusters, iterations)
      left -= iterations
      done, changed = record(clusters)
    if not changed:
      _LOGGER.info(
          'semantic_ids: k-means, level %s: settled after %s iterations',
          level + 1,
          done,
      )
    return clusters.codebook, step + done

  def _iterate(
      self,
      points: jax.Array,
      clusters: masked_kmeans.Clusters,
      iterations: int,
  ) -> masked_kmeans.Clusters:
    until = clusters.iterations + iterations
    return masked_kmeans.iterate(points, clusters, until, self.modalities)

  def _seeds(self, key: jax.Array, points: jax.Array, level: int) -> jax.Array:
    size = self.config.codebook_sizes[level]
    generator = np.random.default_rng((self.seed, level))
    most = max(_SEED_ITEMS * size, size)
    if self.num_items > most:
      chosen = generator.choice(self.num_items, most, replace=False)
    else:
      chosen = np.arange(self.num_items)
    # Whole on every device: hundreds of small steps, each needs the one before.
    sample = points[np.sort(chosen)]
    if self.mesh is not None:
      sample = jax.device_put(sample, meshes.replicated(self.mesh))
    return masked_kmeans.seed(key, sample, size, self.modalities)

  def _record(
      self,
      report: progress.Progress,
      points: jax.Array,
      level: int,
      step: int,
      clusters: masked_kmeans.Clusters,
  ) -> tuple[int, bool]:
    """Writes a line of the log.

    Returns:
      The iterations of this level, and whether the last one changed a code.
    """
    error, counts, changed = jax.device_get(
        _figures(points, clusters, self.num_items, self.modalities)
    )
    iterations, number = int(clusters.iterations), level + 1
    line = {
        'step': step + iterations,
        'level': number,
        'reconstruction': float(error),
        f'usage_level_{number}': float(np.mean(counts > 0)),
        f'perplexity_level_{number}': float(metrics_log.perplexity(counts)),
    }
    self.log.write([line])
    report.update(iterations, {'error': line['reconstruction']})
    return iterations, bool(changed)
