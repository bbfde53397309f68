# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention masks: who may look at whom."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

# Added to the attention logit of a key that must not be seen. Finite, so that a
# row without any key gives numbers and not NaN; T5X's value.
MASKED_LOGIT = -1e10


def attention_mask(
    queries: jax.Array,
    keys: jax.Array,
    relation: Callable[[jax.Array, jax.Array], jax.Array] = jnp.logical_and,
) -> jax.Array:
  """Relates every query to every key.

  Args:
    queries: [batch, query_length].
    keys: [batch, key_length].
    relation: elementwise; true where the query may see the key.

  Returns:
    bool [batch, 1, query_length, key_length]; the 1 stands for the heads.
  """
  mask = relation(queries[:, :, None], keys[:, None, :])
  return mask.astype(bool)[:, None, :, :]


def decoder_mask(
    decoder_target_tokens: jax.Array,
    decoder_segment_ids: jax.Array | None = None,
    decoder_causal_attention: jax.Array | None = None,
) -> jax.Array:
  """The mask of a decoder's self-attention.

  Args:
    decoder_target_tokens: [batch, length]; 0 is padding.
    decoder_segment_ids: [batch, length], a number for each of the examples that
      share a row; they do not see each other.
    decoder_causal_attention: [batch, length]; positions that are 1 see each
      other in both directions (the inputs of a prefix language model).

  Returns:
    bool [batch, 1, length, length].

  >>> decoder_mask(jnp.array([[6, 7, 8, 0]]))[0, 0].astype(int).tolist()
  [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
  """
  length = decoder_target_tokens.shape[1]
  mask = jnp.tril(jnp.ones((1, 1, length, length), bool))
  if decoder_causal_attention is not None:
    mask = mask | attention_mask(
        decoder_causal_attention, decoder_causal_attention
    )
  real = decoder_target_tokens > 0
  mask = mask & attention_mask(real, real)
  if decoder_segment_ids is not None:
    mask = mask & attention_mask(
        decoder_segment_ids, decoder_segment_ids, jnp.equal
    )
  return mask


def within_window(
    query_positions: jax.Array, key_positions: jax.Array, window: int
) -> jax.Array:
  """The mask of a local layer, which sees only what is near.

  Args:
    query_positions: int32 [rows or 1, query_length].
    key_positions: int32 [rows or 1, key_length].
    window: positions from the query, itself included, that are seen, in
      either direction.

  Returns:
    bool [rows or 1, 1, query_length, key_length].

  >>> positions = jnp.arange(4)[None, :]
  >>> within_window(positions, positions, 2)[0, 0].astype(int).tolist()
  [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
  """
  distances = query_positions[:, :, None] - key_positions[:, None, :]
  return (jnp.abs(distances) < window)[:, None]
