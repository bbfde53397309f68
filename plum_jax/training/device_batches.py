# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches that are on the devices before they are needed."""

from __future__ import annotations

from collections.abc import Mapping
import queue
import threading
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes
from plum_jax.training.protocols import Batches

DeviceBatch = dict[str, jax.Array]
Position = Mapping[str, Any]


class DeviceBatches:
  """Reads ahead in a thread of its own, which also starts the transfers.

  With several processes, each one's batches are its part of the global batch.

  Attributes:
    shapes: shape and dtype of each feature of a global batch.
  """

  def __init__(self, batches: Batches, mesh: jax.sharding.Mesh, ahead: int = 2):
    """Reads the first batch, and starts reading ahead.

    Args:
      batches: where the batches come from; no one else may read from it.
      mesh: the mesh to cut batches over.
      ahead: how many batches wait on the devices.

    Raises:
      InputError: the first batch cannot be cut over the mesh, or there is none.
    """
    self._batches = batches
    self._sharding = meshes.batch_sharding(mesh)
    first = _next(batches, 1)
    self._local_shapes = _shapes(first)
    self.shapes = {
        name: jax.ShapeDtypeStruct(
            (shape[0] * jax.process_count(), *shape[1:]), dtype
        )
        for name, (shape, dtype) in self._local_shapes.items()
    }
    self._first = (first, batches.state())
    self._queue: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    self._stopped = threading.Event()
    self._thread = threading.Thread(
        target=self._read, name='device_batches', daemon=True
    )
    self._thread.start()

  def __next__(self) -> tuple[DeviceBatch, Position]:
    """Returns the next batch, and the position after it.

    Raises:
      InputError: the batches ended, or changed their shapes.
      Exception: whatever reading them raised.
    """
    item = self._queue.get()
    if isinstance(item, BaseException):
      # Put back, so that asking again does not wait for ever.
      self._queue.put(item)
      raise item
    return item

  def close(self) -> None:
    """Stops reading; returns when the thread has ended."""
    self._stopped.set()
    while self._thread.is_alive():
      # The thread may be waiting for room.
      try:
        self._queue.get(timeout=0.01)
      except queue.Empty:
        continue

  def _read(self) -> None:
    """Fills the queue until stopped; an error is its last item."""
    try:
      batch, position = self._first
      number = 1
      while not self._stopped.is_set():
        self._queue.put((self._transfer(batch, number), position))
        number += 1
        batch = _next(self._batches, number)
        position = self._batches.state()
    except BaseException as error:  # noqa: B036  # Raised again by __next__.
      self._queue.put(error)

  def _transfer(
      self, batch: Mapping[str, np.ndarray], number: int
  ) -> DeviceBatch:
    """Starts the copy of a batch to the devices."""
    found = _shapes(batch)
    if found != self._local_shapes:
      raise InputError(
          f'Batch {number} has other features or shapes than the first.',
          where=found,
          expected=f'{self._local_shapes}, since each new shape would compile '
          'the step again',
          fix='Let the input pipeline pad, or drop the remainder.',
      )
    if jax.process_count() == 1:
      return jax.device_put(dict(batch), self._sharding)
    return {
        name: jax.make_array_from_process_local_data(self._sharding, leaf)
        for name, leaf in batch.items()
    }


def _shapes(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
  return {
      name: (tuple(leaf.shape), str(leaf.dtype)) for name, leaf in batch.items()
  }


def _next(batches: Batches, number: int) -> Mapping[str, np.ndarray]:
  try:
    return next(batches)
  except StopIteration as error:
    raise InputError(
        f'The input ended before batch {number}.',
        where='the input pipeline',
        expected='an endless stream of batches',
        fix='Let it repeat the data.',
    ) from error
