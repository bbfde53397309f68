# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches on their way to the devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes
from plum_jax.training.protocols import Batches
from plum_jax.training.protocols import ShapesKnown


class DeviceBatches:
  """Reads batches and starts their transfer, without waiting for it.

  There is no thread here. The devices work on the steps that they have been
  given while the next batches are read: the loop runs a few steps ahead of
  them. A thread that reads would take more of the interpreter's time than it
  saves, and the input would be further on than the training.

  With several processes, each one's batches are its part of the global batch.

  Attributes:
    shapes: shape and dtype of each feature of a global batch.
  """

  def __init__(self, batches: Batches, mesh: jax.sharding.Mesh):
    """Reads the first batch, for its shapes, unless they are known without it.

    Args:
      batches: where the batches come from.
      mesh: the mesh to cut batches over.

    Raises:
      InputError: there is no batch.
    """
    self._batches = batches
    self._sharding = meshes.batch_sharding(mesh)
    self._num_read = 0
    self._first: Mapping[str, np.ndarray] | None = None
    if isinstance(batches, ShapesKnown):
      self._local_shapes = dict(batches.shapes())
    else:
      self._first = self._read()
      self._local_shapes = _shapes(self._first)
    pieces = meshes.num_batch_shards(mesh)
    own = local_rows(mesh, pieces)
    num_parts = pieces // (own.stop - own.start)
    self.shapes = {
        name: jax.ShapeDtypeStruct(
            (*(size * num_parts for size in shape[:1]), *shape[1:]), dtype
        )
        for name, (shape, dtype) in self._local_shapes.items()
    }

  def read_first(self) -> None:
    """Reads the first batch if that has not been done.

    Raises:
      InputError: there is no batch.
    """
    if not self._num_read:
      self._first = self._read()

  def __next__(self) -> dict[str, jax.Array]:
    """Returns the next batch.

    Raises:
      InputError: the batches ended, or changed their shapes.
    """
    batch, self._first = self._first or self._read(), None
    found = _shapes(batch)
    if found != self._local_shapes:
      raise InputError(
          f'Batch {self._num_read} has other features or shapes than expected.',
          where=found,
          expected=f'{self._local_shapes}, since each new shape would compile '
          'the step again',
          fix='Let the input pipeline pad, or drop the remainder.',
      )
    if jax.process_count() == 1:
      return jax.device_put(dict(batch), self._sharding)
    return {
        name: jax.make_array_from_process_local_data(
            self._sharding, leaf, self.shapes[name].shape
        )
        for name, leaf in batch.items()
    }

  def position(self) -> Mapping[str, Any]:
    """Returns the input's position after the last batch returned."""
    return self._batches.state()

  def _read(self) -> Mapping[str, np.ndarray]:
    self._num_read += 1
    try:
      return next(self._batches)
    except StopIteration as error:
      raise InputError(
          f'The input ended before batch {self._num_read}.',
          where='the input pipeline',
          expected='an endless stream of batches',
          fix='Let it repeat the data.',
      ) from error


def local_rows(mesh: jax.sharding.Mesh, batch_size: int) -> slice:
  """Returns which rows of a global batch this process's devices take.

  Args:
    mesh: the mesh.
    batch_size: rows of a global batch.

  Raises:
    InputError: the mesh does not divide the batch, or the rows of this process
      do not follow each other.
  """
  pieces = meshes.num_batch_shards(mesh)
  if batch_size % pieces:
    raise InputError(
        f'A batch of {batch_size} cannot be cut into {pieces} equal pieces.',
        where=f'mesh {dict(mesh.shape)}',
        expected='a multiple of data x fsdp',
        fix=f'Choose a batch size that {pieces} divides.',
    )
  held = meshes.batch_sharding(mesh).addressable_devices_indices_map(
      (batch_size,)
  )
  ranges = sorted(
      {
          index[0].indices(batch_size)[:2]
          for index in held.values()
          if index is not None
      }
  )
  if any(a[1] != b[0] for a, b in zip(ranges, ranges[1:], strict=False)):
    raise InputError(
        "The rows of this process's devices do not follow each other.",
        where=f'mesh {dict(mesh.shape)}',
        expected='neighbouring devices in one process',
        fix='Let data x fsdp be a multiple of the number of processes.',
    )
  return slice(ranges[0][0], ranges[-1][1])


def _shapes(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
  return {name: (tuple(leaf.shape), leaf.dtype) for name, leaf in batch.items()}
