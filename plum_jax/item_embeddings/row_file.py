# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of an array on disk, read without leaving the file in memory."""

from __future__ import annotations

import math
import os
from typing import Any
import weakref

import numpy as np


class RowFile:
  """A `.npy` file that reads rows when they are asked for.

  The pages of a memory map count as memory of the process from when they are
  first touched until the map is closed, so that a pass over a mapped file ends
  with the whole file in memory; and Linux may map 2 MB around each row that is
  touched. This reads at positions in the file, into arrays of the caller's: a
  pass takes the memory of the pieces that are asked for, whatever the file's
  size. Several threads may read at once.

  Attributes:
    shape: as that of an array.
    dtype: as that of an array.

  >>> import tempfile
  >>> path = os.path.join(tempfile.mkdtemp(), 'rows.npy')
  >>> np.save(path, np.arange(8.0).reshape(4, 2))
  >>> rows = RowFile(path)
  >>> rows.shape, rows[1:3].tolist(), rows[np.array([3, 0])].tolist()
  ((4, 2), [[2.0, 3.0], [4.0, 5.0]], [[6.0, 7.0], [0.0, 1.0]])
  """

  def __init__(self, path: str | os.PathLike[str]):
    """Opens the file and reads its header.

    Args:
      path: a `.npy` file whose rows lie one after another.

    Raises:
      OSError: it cannot be opened.
      ValueError: it is no `.npy` file, is shorter than its header says, holds
        Python objects, or lies column by column.
    """
    mapped = np.load(path, mmap_mode='r', allow_pickle=False)
    if not isinstance(mapped, np.memmap):
      raise ValueError('it is an archive of several arrays')
    if not mapped.flags.c_contiguous:
      raise ValueError('its columns, not its rows, lie one after another')
    self.shape: tuple[int, ...] = mapped.shape
    self.dtype: np.dtype = mapped.dtype
    self._offset = int(mapped.offset)
    self._row_bytes = mapped.itemsize * math.prod(mapped.shape[1:])
    self._file = os.open(path, os.O_RDONLY)
    weakref.finalize(self, os.close, self._file)

  @property
  def ndim(self) -> int:
    """Number of dimensions."""
    return len(self.shape)

  def __len__(self) -> int:
    return self.shape[0]

  def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
    """Reads rows, as a new array.

    Args:
      rows: a range of rows; their numbers, an integer array [n]; or bool
        [num_rows], which to read.

    Returns:
      [n, ...] in the order of `rows`.

    Raises:
      IndexError: there is no such row, or `rows` is none of these.
    """
    if isinstance(rows, slice):
      begin, end, step = rows.indices(len(self))
      if step == 1:
        return self._read([begin], [max(end - begin, 0)])
      rows = np.arange(begin, end, step)
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (len(self),):
      rows = np.flatnonzero(rows)
    if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in 'iu'):
      raise IndexError('Rows are a slice, integers [n] or bool [num_rows].')
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(self)):
      raise IndexError(f'Rows are 0 to {len(self) - 1}.')
    # Neighbours are read in one go. A call for each run that is left costs no
    # more than the page fault that a map has there.
    rows = rows.astype(np.int64)
    heads = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    counts = np.diff(heads, append=len(rows))
    return self._read(rows[heads].tolist(), counts.tolist())

  def __array__(
      self, dtype: Any = None, copy: bool | None = None
  ) -> np.ndarray:
    """Reads the whole file; NumPy's functions call this."""
    if copy is False:
      raise ValueError('What lies in a file cannot be had without a copy.')
    return self[:].astype(dtype or self.dtype, copy=False)

  def _read(self, begins: list[int], counts: list[int]) -> np.ndarray:
    """Reads runs of rows, one after another into one array."""
    result = np.empty((sum(counts), *self.shape[1:]), self.dtype)
    buffer = result.reshape(-1).view(np.uint8).data
    filled = 0
    for begin, count in zip(begins, counts, strict=True):
      position = self._offset + begin * self._row_bytes
      wanted = filled + count * self._row_bytes
      while filled < wanted:  # One call reads 2 GiB at most.
        num_bytes = os.preadv(self._file, [buffer[filled:wanted]], position)
        if not num_bytes:
          raise OSError('The file has become shorter while it was read.')
        filled += num_bytes
        position += num_bytes
    return result
