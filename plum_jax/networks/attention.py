# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention in training, and over two kinds of cache in decoding."""

from __future__ import annotations

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.networks.layers import Dense
from plum_jax.networks.layers import with_sharding_constraint
from plum_jax.networks.masks import MASKED_LOGIT

_KERNEL_INIT = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')


def _masked(
    logits: jax.Array, bias: jax.Array | None, mask: jax.Array | None
) -> jax.Array:
  """Adds the position bias, and `MASKED_LOGIT` where `mask` is false.

  Args:
    logits: [batch, heads, query_length, key_length].
    bias: broadcastable to the logits' shape, or None.
    mask: bool, broadcastable to the logits' shape, or None.

  Returns:
    Logits of the same shape.
  """
  if bias is not None:
    logits += jnp.broadcast_to(bias.astype(logits.dtype), logits.shape)
  if mask is not None:
    masked = jnp.where(mask, 0.0, MASKED_LOGIT).astype(logits.dtype)
    logits += jnp.broadcast_to(masked, logits.shape)
  return logits


class MultiHeadAttention(nn.Module):
  """T5's attention: no bias in projections, no scaling of logits.

  The usual factor 1 / sqrt(head_dim) is folded into the query's initialiser, as
  in T5X.

  Two cache collections serve decoding, both with leaves `cached_key` and
  `cached_value` of [rows, length, heads, kv]:

  * `cache`: the tokens of each row so far. A row is a sequence, or a beam.
  * `prefix_cache`: what the beams of one user share, the prompt or the
    encoder's output: computed once a user, never copied per beam, read only.
    Its rows are users; those of the queries are users * beams, in this order.

  Attributes:
    num_heads: attention heads.
    head_dim: width of a head.
    dropout_rate: dropout on attention weights, one mask for all queries.
    dtype: dtype of the computation.
    float32_logits: whether logits are computed in float32 whatever dtype is.
  """

  num_heads: int
  head_dim: int
  dropout_rate: float = 0.0
  dtype: Any = jnp.float32
  float32_logits: bool = False

  @nn.compact
  def __call__(
      self,
      queries: jax.Array,
      keys: jax.Array,
      mask: jax.Array | None = None,
      bias: jax.Array | None = None,
      *,
      deterministic: bool = True,
      cache_mode: str = 'off',
      cache_index: jax.Array | None = None,
      prefix_bias: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
  ) -> jax.Array:
    """Lets `queries` look at `keys`.

    Args:
      queries: [rows, query_length, embed].
      keys: [rows, key_length, embed]; keys and values are made from it.
      mask: bool [rows, 1, query_length, key_length], true where a query sees a
        key; with `cache_mode='append'`, key_length is that of the cache.
      bias: [rows or 1, heads, query_length, key_length].
      deterministic: whether dropout is off.
      cache_mode: `off`; `write`: store keys and values, from position 0, for
        later calls; `append`: store those of one new position and look at all
        stored; `read`: ignore `keys`, look at `prefix_cache` alone.
      cache_index: int32 [] or [rows]: with `append`, the new token's position;
        with `write`, how many positions of an existing cache to fill.
      prefix_bias: [1, heads, 1, prefix_length], for `prefix_cache`.
      prefix_mask: bool [users, prefix_length], true for real tokens.

    Returns:
      [rows, query_length, embed].
    """
    projection = functools.partial(
        Dense,
        (self.num_heads, self.head_dim),
        ('embed', 'joined_kv'),
        dtype=self.dtype,
    )

    def query_init(*args):
      return _KERNEL_INIT(*args) / jnp.sqrt(float(self.head_dim))

    query = projection(kernel_init=query_init, name='query')(queries)
    query = with_sharding_constraint(query, ('batch', 'length', 'heads', 'kv'))
    if cache_mode == 'read':
      x = self._attend_prefix(query, prefix_bias, prefix_mask)
    else:
      key = projection(kernel_init=_KERNEL_INIT, name='key')(keys)
      value = projection(kernel_init=_KERNEL_INIT, name='value')(keys)
      axes = ('batch', 'length', 'heads', 'kv')
      key = with_sharding_constraint(key, axes)
      value = with_sharding_constraint(value, axes)
      if cache_mode == 'write':
        self._write_cache(key, value, cache_index)
      elif cache_mode == 'append':
        key, value = self._append_to_cache(key, value, cache_index)
      if self.has_variable('prefix_cache', 'cached_key'):
        x = self._attend_prefix(
            query, prefix_bias, prefix_mask, key, value, bias, mask
        )
      else:
        weights = self._weights(
            _masked(self._logits(query, key), bias, mask), deterministic
        )
        x = jnp.einsum('bhqk,bkhd->bqhd', weights, value)
    return Dense(
        (queries.shape[-1],),
        ('joined_kv', 'embed'),
        num_contracted=2,
        dtype=self.dtype,
        kernel_init=_KERNEL_INIT,
        name='out',
    )(x)

  def _logits(self, query: jax.Array, key: jax.Array) -> jax.Array:
    if self.float32_logits:
      query, key = query.astype(jnp.float32), key.astype(jnp.float32)
    return jnp.einsum('bqhd,bkhd->bhqk', query, key)

  def _weights(self, logits: jax.Array, deterministic: bool) -> jax.Array:
    weights = jax.nn.softmax(logits).astype(self.dtype)
    return nn.Dropout(self.dropout_rate, broadcast_dims=(-2,))(
        weights, deterministic
    )

  def _write_cache(
      self, key: jax.Array, value: jax.Array, num_filled: jax.Array | None
  ) -> None:
    """Stores all positions; in an existing cache, those below `num_filled`."""
    for name, new in (('cached_key', key), ('cached_value', value)):
      cached = self.variable('cache', name, jnp.zeros, new.shape, new.dtype)
      if num_filled is not None:
        positions = jnp.arange(new.shape[1])[None, :]
        filled = positions < jnp.reshape(num_filled, (-1, 1))
        new = jnp.where(filled[:, :, None, None], new, 0)
      cached.value = new

  def _append_to_cache(
      self, key: jax.Array, value: jax.Array, index: jax.Array | None
  ) -> tuple[jax.Array, jax.Array]:
    """Stores one position of each row and returns all that are stored.

    The first call, which has a whole sequence and no cache yet, only makes room
    for it: T5X's way to create a cache.
    """
    exists = self.has_variable('cache', 'cached_key')
    cached = []
    for name, new in (('cached_key', key), ('cached_value', value)):
      variable = self.variable('cache', name, jnp.zeros, new.shape, new.dtype)
      if exists:
        assert index is not None
        positions = jnp.arange(variable.value.shape[1])[None, :]
        here = positions == jnp.reshape(index, (-1, 1))
        variable.value = jnp.where(here[:, :, None, None], new, variable.value)
        new = variable.value
      cached.append(new)
    return cached[0], cached[1]

  def _attend_prefix(
      self,
      query: jax.Array,
      prefix_bias: jax.Array | None,
      prefix_mask: jax.Array | None,
      key: jax.Array | None = None,
      value: jax.Array | None = None,
      bias: jax.Array | None = None,
      mask: jax.Array | None = None,
  ) -> jax.Array:
    """Looks at the users' shared prefix, and at each row's own tokens if any.

    The beams of a user stand in the place of query positions, so that the
    prefix is read once for all of them.

    Args:
      query: [users * beams, 1, heads, kv].
      prefix_bias: [1, heads, 1, prefix_length].
      prefix_mask: bool [users, prefix_length].
      key: [users * beams, own_length, heads, kv].
      value: like `key`.
      bias: [1, heads, 1, own_length].
      mask: bool [rows or 1, 1, 1, own_length].

    Returns:
      [users * beams, 1, heads, kv].
    """
    prefix_key = self.get_variable('prefix_cache', 'cached_key')
    prefix_value = self.get_variable('prefix_cache', 'cached_value')
    num_users, prefix_length = prefix_key.shape[:2]
    grouped = query.reshape(num_users, -1, *query.shape[2:])
    if prefix_mask is not None:
      prefix_mask = prefix_mask[:, None, None, :]
    logits = _masked(
        self._logits(grouped, prefix_key), prefix_bias, prefix_mask
    )
    if key is None or value is None:
      weights = self._weights(logits, deterministic=True)
      x = jnp.einsum('bhqk,bkhd->bqhd', weights, prefix_value)
      return x.reshape(query.shape)
    own = _masked(self._logits(query, key), bias, mask)
    # [users * beams, heads, 1, own] -> [users, heads, beams, own]
    own = own.reshape(num_users, -1, self.num_heads, own.shape[-1])
    own = jnp.swapaxes(own, 1, 2)
    weights = self._weights(
        jnp.concatenate([logits, own], axis=-1), deterministic=True
    )
    x = jnp.einsum(
        'bhqk,bkhd->bqhd', weights[..., :prefix_length], prefix_value
    ).reshape(query.shape)
    own_weights = jnp.swapaxes(weights[..., prefix_length:], 1, 2)
    own_weights = own_weights.reshape(query.shape[0], self.num_heads, 1, -1)
    return x + jnp.einsum('bhqk,bkhd->bqhd', own_weights, value)
