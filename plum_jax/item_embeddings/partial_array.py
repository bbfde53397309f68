# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A large array that is filled bit by bit and survives a kill."""

from __future__ import annotations

import os
import pathlib
import shutil

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.artifacts import errors


class PartialArray:
  """The vectors of one modality on disk, and which rows are done.

  Only the rows being written take memory. The files have their full size from
  the start, so a disk that is too small says so then, not after hours.

  Attributes:
    vectors: [num_items, dim] float32, memory-mapped.
    present: [num_items] bool, memory-mapped.
    done: number of leading rows that are on the disk.
  """

  def __init__(
      self,
      work: str | os.PathLike[str],
      name: str,
      num_items: int,
      dim: int,
  ):
    """Opens the files, or makes them.

    Args:
      work: a folder that survives a kill, made for one configuration.
      name: name of the modality.
      num_items: number of rows.
      dim: width of a row.

    Raises:
      InputError: the disk has no room for the files.
    """
    self._work, self.name = pathlib.Path(work), name
    self._mark = self._work / f'{name}.done'
    shapes = {
        self._file('.npy'): ((num_items, dim), np.float32),
        self._file('.present.npy'): ((num_items,), np.bool_),
    }
    if self._mark.exists():
      self.done = int(self._mark.read_text(encoding='utf-8'))
    else:
      self.done = 0
      for path, (shape, dtype) in shapes.items():
        _reserve(path, shape, dtype)
      self._set_done(0)
    self.vectors, self.present = (
        np.load(path, mmap_mode='r+') for path in shapes
    )

  def write(
      self, items: np.ndarray | slice, vectors: np.ndarray, present: np.ndarray
  ) -> None:
    """Writes some rows, in any order, without counting them as done."""
    self.vectors[items] = vectors
    self.present[items] = present

  def append(self, vectors: np.ndarray, present: np.ndarray) -> None:
    """Writes the next rows; once it returns they outlive a kill.

    Args:
      vectors: [n, dim] float32.
      present: [n] bool.
    """
    self.write(slice(self.done, self.done + len(present)), vectors, present)
    self.finish(self.done + len(present))

  def finish(self, done: int) -> None:
    """Counts the first `done` rows as done, once they are on the disk."""
    self.vectors.flush()
    self.present.flush()
    self._set_done(done)

  def publish(self, directory: str | os.PathLike[str]) -> None:
    """Puts the files into the artifact, and keeps them in the work folder.

    Without copying where the file system has links: hashing the artifact takes
    a while, and a kill then must not cost the vectors.
    """
    for ending in ('.npy', '.present.npy'):
      source = self._file(ending)
      target = pathlib.Path(directory) / source.name
      try:
        target.hardlink_to(source)
      except OSError:
        shutil.copyfile(source, target)

  def _file(self, ending: str) -> pathlib.Path:
    return self._work / f'{self.name}{ending}'

  def _set_done(self, done: int) -> None:
    with atomic.write_file(self._mark) as temporary:
      temporary.write_text(str(done), encoding='utf-8')
    self.done = done


def _reserve(path: pathlib.Path, shape: tuple[int, ...], dtype: type) -> None:
  """Makes a `.npy` file of zeros whose blocks are really there.

  A write to a memory map cannot report a full disk: it ends the process.
  """
  try:
    array = np.lib.format.open_memmap(path, 'w+', dtype=dtype, shape=shape)
    del array
    with open(path, 'r+b') as file:
      if hasattr(os, 'posix_fallocate'):  # Not on macOS.
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
  except OSError as error:
    path.unlink(missing_ok=True)
    raise errors.from_os_error(error, path) from error
