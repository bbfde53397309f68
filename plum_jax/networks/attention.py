# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention in training, and over two kinds of cache in decoding."""

from __future__ import annotations

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.networks import rotary
from plum_jax.networks.layers import Dense
from plum_jax.networks.layers import LayerNorm
from plum_jax.networks.layers import with_sharding_constraint
from plum_jax.networks.masks import MASKED_LOGIT
from plum_jax.networks.rotary import Rotation

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


def _weighted_values(weights: jax.Array, value: jax.Array) -> jax.Array:
  """Sums values.

  Args:
    weights: [rows, heads, query_length, key_length].
    value: [rows, key_length, kv_heads, kv].

  Returns:
    [rows, query_length, heads, kv].
  """
  if weights.shape[1] == value.shape[2]:
    return jnp.einsum('bhqk,bkhd->bqhd', weights, value)
  batch, heads, queries, keys = weights.shape
  weights = weights.reshape(batch, value.shape[2], -1, queries, keys)
  x = jnp.einsum('bhgqk,bkhd->bqhgd', weights, value)
  return x.reshape(batch, queries, heads, -1)


class MultiHeadAttention(nn.Module):
  """Attention without bias in its projections.

  By itself it is T5's: logits are not scaled; the usual factor 1 /
  sqrt(head_dim) is folded into the query's initialiser, as in T5X. Gemma 3's
  (arXiv 2503.19786, section 2) has fewer heads of keys and values, normalises
  queries and keys, turns them by their positions and scales queries.

  Two cache collections serve decoding, both with leaves `cached_key` and
  `cached_value` of [rows, length, kv_heads, kv]; keys are stored as they are
  looked at, turned by their positions:

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
    num_kv_heads: heads of keys and values, each for as many consecutive heads
      of queries; None for one each.
    qk_norm: whether each query and key is normalised (Gemma's `LayerNorm`).
    query_scale: factor of the queries; None is T5's way, see above.
  """

  num_heads: int
  head_dim: int
  dropout_rate: float = 0.0
  dtype: Any = jnp.float32
  float32_logits: bool = False
  num_kv_heads: int | None = None
  qk_norm: bool = False
  query_scale: float | None = None

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
      rotation: Rotation | None = None,
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
      prefix_mask: bool [users, prefix_length], true for the keys that are seen.
      rotation: of the positions of `keys`; the queries are the last of them.

    Returns:
      [rows, query_length, embed].
    """
    query = self._query(queries, rotation)
    if cache_mode == 'read':
      x = self._attend_prefix(query, prefix_bias, prefix_mask)
    else:
      key, value = self._key_and_value(keys, rotation)
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
        x = _weighted_values(weights, value)
    return Dense(
        (queries.shape[-1],),
        ('joined_kv', 'embed'),
        num_contracted=2,
        dtype=self.dtype,
        kernel_init=_KERNEL_INIT,
        name='out',
    )(x)

  def _query(self, queries: jax.Array, rotation: Rotation | None) -> jax.Array:
    """Projects to queries [rows, query_length, heads, kv]."""

    def folded_init(*args):
      return _KERNEL_INIT(*args) / jnp.sqrt(float(self.head_dim))

    query = Dense(
        (self.num_heads, self.head_dim),
        ('embed', 'joined_kv'),
        dtype=self.dtype,
        kernel_init=folded_init if self.query_scale is None else _KERNEL_INIT,
        name='query',
    )(queries)
    query = with_sharding_constraint(query, ('batch', 'length', 'heads', 'kv'))
    if self.qk_norm:
      query = self._norm('query_norm')(query)
    if rotation is not None:
      query = rotary.turn(query, rotation.last(query.shape[1]))
    if self.query_scale is not None:
      query *= jnp.asarray(self.query_scale, query.dtype)
    return query

  def _key_and_value(
      self, keys: jax.Array, rotation: Rotation | None
  ) -> tuple[jax.Array, jax.Array]:
    """Projects to keys and values [rows, key_length, kv_heads, kv]."""
    # A few heads that all heads of queries share are on every device.
    heads, joined = 'heads', 'joined_kv'
    if self.num_kv_heads not in (None, self.num_heads):
      heads = joined = 'kv_heads'
    projection = functools.partial(
        Dense,
        (self.num_kv_heads or self.num_heads, self.head_dim),
        ('embed', joined),
        dtype=self.dtype,
        kernel_init=_KERNEL_INIT,
    )
    axes = ('batch', 'length', heads, 'kv')
    key = with_sharding_constraint(projection(name='key')(keys), axes)
    value = with_sharding_constraint(projection(name='value')(keys), axes)
    if self.qk_norm:
      key = self._norm('key_norm')(key)
    if rotation is not None:
      key = rotary.turn(key, rotation)
    return key, value

  def _norm(self, name: str) -> LayerNorm:
    return LayerNorm(
        dtype=self.dtype, axis='kv', one_plus_scale=True, name=name
    )

  def _logits(self, query: jax.Array, key: jax.Array) -> jax.Array:
    """Multiplies: [rows, heads, query_length, key_length]."""
    if self.float32_logits:
      query, key = query.astype(jnp.float32), key.astype(jnp.float32)
    if query.shape[2] == key.shape[2]:
      return jnp.einsum('bqhd,bkhd->bhqk', query, key)
    batch, length, heads, width = query.shape
    query = query.reshape(batch, length, key.shape[2], -1, width)
    logits = jnp.einsum('bqhgd,bkhd->bhgqk', query, key)
    return logits.reshape(batch, heads, length, -1)

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
      key: [users * beams, own_length, kv_heads, kv].
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
      x = _weighted_values(weights, prefix_value)
      return x.reshape(query.shape)
    own = _masked(self._logits(query, key), bias, mask)
    # [users * beams, heads, 1, own] -> [users, heads, beams, own]
    own = own.reshape(num_users, -1, self.num_heads, own.shape[-1])
    own = jnp.swapaxes(own, 1, 2)
    weights = self._weights(
        jnp.concatenate([logits, own], axis=-1), deterministic=True
    )
    x = _weighted_values(weights[..., :prefix_length], prefix_value)
    x = x.reshape(query.shape)
    own_weights = jnp.swapaxes(weights[..., prefix_length:], 1, 2)
    own_weights = own_weights.reshape(query.shape[0], self.num_heads, 1, -1)
    return x + _weighted_values(own_weights, value)
