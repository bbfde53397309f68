# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embeddings (arXiv 2104.09864)."""

from __future__ import annotations

from flax import struct
import jax
import jax.numpy as jnp


@struct.dataclass
class Rotation:
  """How far each position turns each pair of coordinates.

  Attributes:
    cos: float32 [rows or 1, length, 1, kv / 2].
    sin: like `cos`.
  """

  cos: jax.Array
  sin: jax.Array

  def last(self, length: int) -> Rotation:
    """Returns the rotation of the last positions alone."""
    return Rotation(self.cos[:, -length:], self.sin[:, -length:])


def rotation(positions: jax.Array, base: float, head_dim: int) -> Rotation:
  """Returns the rotation of positions.

  Pair i of `head_dim` / 2 turns by position * base^(-2 i / head_dim) radians.

  Args:
    positions: int32 [rows or 1, length].
    base: the longest wavelength, divided by 2 pi, is nearly this.
    head_dim: width of a head, even.
  """
  exponents = jnp.arange(0, head_dim, 2, dtype=jnp.float32) / head_dim
  angles = (
      positions.astype(jnp.float32)[:, :, None]
      * (1.0 / base**exponents)[None, None, :]
  )
  return Rotation(jnp.cos(angles)[:, :, None], jnp.sin(angles)[:, :, None])


def turn(x: jax.Array, by: Rotation) -> jax.Array:
  """Turns queries or keys.

  Coordinate i and coordinate i + kv / 2 are a pair, as in Gemma's and Hugging
  Face's weights.

  Args:
    x: [rows, length, heads, kv].
    by: of the positions; computed in float32 whatever the dtype of `x`.

  Returns:
    Like `x`. The product of a turned query and a turned key depends on the
    distance of their positions alone.

  >>> x = jnp.array([1.0, 0.0]).reshape(1, 1, 1, 2)
  >>> turned = turn(x, rotation(jnp.array([[1]]), 10_000.0, 2))
  >>> bool(jnp.allclose(turned.ravel(), jnp.array([jnp.cos(1), jnp.sin(1)])))
  True
  """
  first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
  cos, sin = by.cos, by.sin
  shape = first.shape
  cos, sin = jnp.broadcast_to(cos, shape), jnp.broadcast_to(sin, shape)
  turned = jnp.concatenate(
      [first * cos - second * sin, second * cos + first * sin], axis=-1
  )
  return turned.astype(x.dtype)
