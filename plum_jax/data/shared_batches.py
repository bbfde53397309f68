# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A process's rows of global batches, whatever the number of processes.

The data is read in a fixed number of shards. The first shard gives the first
rows of every global batch, the second the next ones, and so on. A process
opens the shards that its rows come from. So the global batch, and the position
in a checkpoint, do not depend on how many processes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from plum_jax.artifacts import processes
from plum_jax.artifacts.errors import InputError

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype]]


class Shard(Protocol):
  """Endless batches with a position; see `training.protocols.Batches`."""

  def __next__(self) -> Mapping[str, np.ndarray]:
    ...

  def shapes(self) -> Shapes:
    """Returns shape and dtype of each feature of a batch, without reading."""
    ...

  def state(self) -> Mapping[str, Any]:
    """Returns the position as JSON values."""
    ...

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position."""
    ...


class SharedBatches:
  """Some rows of every global batch; a `training.protocols.Batches`.

  With one shard, every process reads all data and keeps its rows.
  """

  def __init__(
      self,
      open_shard: Callable[[int, int], Shard],
      num_shards: int,
      batch_size: int,
      rows: slice,
  ):
    """Opens the shards that the rows come from.

    Args:
      open_shard: given a shard's number and its rows of a global batch, opens
        it at its beginning.
      num_shards: shards of the data. Another number is another order.
      batch_size: rows of a global batch.
      rows: those of this process.

    Raises:
      InputError: the shards do not divide the batch.
    """
    if num_shards < 1 or batch_size % num_shards:
      raise InputError(
          f'A batch of {batch_size} rows cannot come from {num_shards} shards '
          'in equal parts.',
          where='number of shards',
          expected='a divisor of the batch size',
          fix='Choose another batch size or number of shards.',
      )
    size = batch_size // num_shards
    self._num_shards = num_shards
    self._shards: dict[int, Shard] = {}
    self._parts: dict[int, slice] = {}
    for shard in range(num_shards):
      start = max(rows.start - shard * size, 0)
      stop = min(rows.stop - shard * size, size)
      if start < stop:
        self._shards[shard] = open_shard(shard, size)
        self._parts[shard] = slice(start, stop)

  def __iter__(self) -> SharedBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the rows of the next global batch."""
    parts = []
    for number, shard in self._shards.items():
      batch = next(shard)
      parts.append({n: x[self._parts[number]] for n, x in batch.items()})
    if len(parts) == 1:
      return parts[0]
    return {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}

  def shapes(self) -> Shapes:
    """Returns shape and dtype of the rows of a batch, without reading any."""
    rows = sum(part.stop - part.start for part in self._parts.values())
    shard = next(iter(self._shards.values()))
    return {
        name: ((rows, *shape[1:]), dtype)
        for name, (shape, dtype) in shard.shapes().items()
    }

  def state(self) -> dict[str, Any]:
    """Returns the positions of all shards; all processes call it together."""
    own = {str(n): dict(shard.state()) for n, shard in self._shards.items()}
    merged: dict[str, Any] = {}
    for states in processes.gather(own):
      merged |= states
    return {'shards': [merged[str(n)] for n in range(self._num_shards)]}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position, which other processes may have had a part in.

    Raises:
      InputError: it is a position in other data, or in other shards of it.
    """
    found = len(state.get('shards', ()))
    if found != self._num_shards:
      raise InputError(
          'The saved position is one in other shards of the data.',
          where='input position of the checkpoint',
          expected=f'{self._num_shards} shards, got {found}',
          fix='Resume with the number of shards that the checkpoint was made '
          'with, or start anew.',
      )
    for number, shard in self._shards.items():
      shard.restore(state['shards'][number])
