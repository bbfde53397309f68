# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches from arrays on disk: no TensorFlow, and a restore that reads nothing.

`save_arrays.save_arrays` makes the folder from a SeqIO task, on a machine with
TensorFlow; a machine that trains needs NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
import pathlib
from typing import Any

import numpy as np

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError


def load(directory: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Maps a folder's arrays into memory.

  Args:
    directory: with one `<feature>.npy` each, [num_rows, ...], and a manifest.

  Returns:
    The arrays by feature; read-only, and read when used.

  Raises:
    InputError: there are none, one cannot be read, or their rows differ.
  """
  directory = pathlib.Path(directory)
  made = manifests.load(directory)
  files = sorted(directory.glob('*.npy'))
  if made is None or not files:
    raise InputError(
        'The folder holds no finished arrays.',
        where=directory,
        expected=f'{manifests.FILE_NAME} and one .npy file per feature',
        fix='Save arrays of a task there first, or correct the path.',
    )
  arrays = {}
  for file in files:
    try:
      arrays[file.stem] = np.load(file, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError) as error:
      raise InputError(
          f'The array cannot be read: {error}.',
          where=file,
          expected='an array as numpy.save writes it',
          fix='Save the arrays again.',
      ) from error
  rows = {name: len(array) for name, array in arrays.items()}
  if len(set(rows.values())) > 1 or not all(rows.values()):
    raise InputError(
        f'The arrays have {rows} rows.',
        where=directory,
        expected='the same number in each, at least one',
        fix='Save the arrays again.',
    )
  return arrays


class ArrayBatches:
  """An endless iterator of batches of rows, in a new order each epoch.

  The order of an epoch is a permutation drawn from (seed, epoch). The position
  is one number, and going to it costs nothing.
  """

  def __init__(
      self,
      directory: str | os.PathLike[str],
      batch_size: int,
      seed: int,
      *,
      shard_index: int = 0,
      num_shards: int = 1,
  ):
    """Opens the arrays at the beginning of epoch 0.

    Args:
      directory: see `load`.
      batch_size: rows of a batch of this shard.
      seed: of the orders.
      shard_index: takes the rows `shard_index::num_shards`.
      num_shards: number of shards.

    Raises:
      InputError: see `load`; or there are fewer rows than shards.
    """
    self._arrays = load(directory)
    num_rows = len(next(iter(self._arrays.values())))
    if num_rows < num_shards:
      raise InputError(
          f'{num_rows} rows are too few for {num_shards} shards.',
          where=directory,
          expected='at least one row for each',
          fix='Use fewer hosts or save more rows.',
      )
    self._rows = np.arange(shard_index, num_rows, num_shards)
    self._batch_size = batch_size
    self._identity = {
        'num_rows': num_rows,
        'seed': seed,
        'shard_index': shard_index,
        'num_shards': num_shards,
    }
    self._position = 0
    self._order: tuple[int, np.ndarray] = (-1, self._rows)

  def __iter__(self) -> ArrayBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch: features [batch_size, ...]."""
    rows = []
    wanted = self._batch_size
    while wanted:
      epoch, offset = divmod(self._position, len(self._rows))
      taken = self._epoch_order(epoch)[offset : offset + wanted]
      rows.append(taken)
      self._position += len(taken)
      wanted -= len(taken)
    index = np.concatenate(rows)
    return {name: array[index] for name, array in self._arrays.items()}

  def state(self) -> dict[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return self._identity | {'position': self._position}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned; batch sizes may differ.

    Raises:
      InputError: it is a position in other data.
    """
    found = {name: state.get(name) for name in self._identity}
    if found != self._identity:
      raise InputError(
          'The saved position is one in other data.',
          where='input position of the checkpoint',
          expected=f'{self._identity}, got {found}',
          fix='Resume with the arrays, seed and number of hosts that the '
          'checkpoint was made with, or start anew.',
      )
    self._position = int(state['position'])

  def _epoch_order(self, epoch: int) -> np.ndarray:
    """Returns the rows of this shard in the order of an epoch."""
    if self._order[0] != epoch:
      rng = np.random.default_rng([self._identity['seed'], epoch])
      self._order = (epoch, rng.permutation(self._rows))
    return self._order[1]
