# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays from a file to their place on a mesh, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError

Index = tuple[slice, ...]


def place(
    wanted: jax.ShapeDtypeStruct,
    read: Callable[[Index], np.ndarray],
    where: object,
) -> Any:
  """Reads an array, on a mesh only what each device holds.

  Args:
    wanted: shape, dtype and sharding.
    read: returns a part of the array, in any float dtype.
    where: names the array, for errors.

  Returns:
    A `jax.Array` on `wanted.sharding`; a NumPy array if that is None.

  Raises:
    InputError: the array holds NaN or infinite values.

  >>> rows = np.arange(6.0).reshape(3, 2)
  >>> place(jax.ShapeDtypeStruct((3, 2), np.float32), rows.__getitem__, 'rows')
  array([[0., 1.],
         [2., 3.],
         [4., 5.]], dtype=float32)
  """
  # Copies of one piece on several devices are read once.
  pieces: dict[tuple[tuple[int | None, int | None], ...], np.ndarray] = {}

  def piece(index: Index | None) -> np.ndarray:
    assert index is not None
    key = tuple((one.start, one.stop) for one in index)
    if key not in pieces:
      found = np.asarray(read(index)).astype(wanted.dtype, copy=False)
      if not np.isfinite(found).all():
        raise InputError(
            'A parameter holds NaN or infinite values.',
            where=where,
            expected='finite numbers',
            fix='Get the checkpoint again.',
        )
      pieces[key] = found
    return pieces[key]

  if wanted.sharding is None:
    return piece(tuple(slice(None) for _ in wanted.shape))
  return jax.make_array_from_callback(wanted.shape, wanted.sharding, piece)
