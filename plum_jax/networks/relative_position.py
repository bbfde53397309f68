# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""T5's relative position bias (arXiv 1910.10683, section 2.1)."""

from __future__ import annotations

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.networks.layers import param_with_axes


def relative_position_bucket(
    relative_position: jax.Array,
    *,
    bidirectional: bool,
    num_buckets: int = 32,
    max_distance: int = 128,
) -> jax.Array:
  """Puts distances into buckets: near ones singly, far ones logarithmically.

  Args:
    relative_position: int32, key position minus query position, any shape.
    bidirectional: whether keys after the query have buckets of their own; if
      not, they share bucket 0.
    num_buckets: number of buckets.
    max_distance: from this distance on all share the last bucket.

  Returns:
    int32 of the same shape, in [0, num_buckets).

  >>> relative_position_bucket(
  ...     jnp.array([1, 0, -1, -15, -16, -20, -127, -500]), bidirectional=False
  ... ).tolist()
  [0, 0, 1, 15, 16, 17, 31, 31]
  """
  bucket = jnp.zeros_like(relative_position)
  distance = -relative_position
  if bidirectional:
    num_buckets //= 2
    bucket += jnp.where(distance < 0, num_buckets, 0)
    distance = jnp.abs(distance)
  else:
    distance = jnp.maximum(distance, 0)
  num_exact = num_buckets // 2
  # T5X adds epsilon to keep log(0) finite; kept, since it decides the bucket of
  # distances that fall on a border.
  octaves = jnp.log(
      distance.astype(jnp.float32) / num_exact + np.finfo(np.float32).eps
  ) / np.log(max_distance / num_exact)
  far = num_exact + (octaves * (num_buckets - num_exact)).astype(jnp.int32)
  far = jnp.minimum(far, num_buckets - 1)
  return bucket + jnp.where(distance < num_exact, distance, far)


class RelativePositionBias(nn.Module):
  """A learned number per head and bucket, added to attention logits.

  Attributes:
    num_heads: attention heads.
    num_buckets: see `relative_position_bucket`.
    max_distance: see `relative_position_bucket`.
    bidirectional: see `relative_position_bucket`.
    dtype: dtype of the bias.
  """

  num_heads: int
  num_buckets: int
  max_distance: int
  bidirectional: bool
  dtype: Any = jnp.float32

  def setup(self):
    """Makes the table."""
    self.rel_embedding = param_with_axes(
        'rel_embedding',
        nn.initializers.variance_scaling(1.0, 'fan_avg', 'uniform'),
        (self.num_heads, self.num_buckets),
        jnp.float32,
        axes=('heads', 'relpos_buckets'),
    )

  def __call__(
      self, query_positions: jax.Array, key_positions: jax.Array
  ) -> jax.Array:
    """Returns the bias for every query and key.

    Args:
      query_positions: int32 [batch or 1, query_length].
      key_positions: int32 [batch or 1, key_length].

    Returns:
      [batch or 1, heads, query_length, key_length].
    """
    biases = self._look_up(
        key_positions[:, None, :] - query_positions[:, :, None]
    )
    return jnp.moveaxis(biases, 0, 1)

  def of_sequence(self, length: int) -> jax.Array:
    """Returns the bias of a sequence that looks at itself.

    Of the length^2 pairs only 2 length - 1 differ in distance: the table is
    read once for each, and every row is the row before moved by one.

    Args:
      length: positions of the sequence.

    Returns:
      [1, heads, length, length], what `__call__` gives for positions from 0.
    """
    biases = self._look_up(jnp.arange(1 - length, length + 1))
    # Rows of 2 length numbers, read as rows of 2 length - 1: each is moved by
    # one to the right of the row before.
    rows = jnp.broadcast_to(
        biases[:, None, :], (self.num_heads, length, 2 * length)
    ).reshape(self.num_heads, -1)
    rows = rows[:, : length * (2 * length - 1)]
    rows = rows.reshape(1, self.num_heads, length, 2 * length - 1)
    return rows[..., length - 1 :]

  def _look_up(self, relative_position: jax.Array) -> jax.Array:
    """Returns [heads, ...] for distances of any shape."""
    buckets = relative_position_bucket(
        relative_position,
        bidirectional=self.bidirectional,
        num_buckets=self.num_buckets,
        max_distance=self.max_distance,
    )
    # A product with one-hot rows, since TPUs gather slowly.
    one_hot = jax.nn.one_hot(buckets, self.num_buckets, dtype=self.dtype)
    return jnp.einsum(
        'hn,...n->h...', self.rel_embedding.astype(self.dtype), one_hot
    )
