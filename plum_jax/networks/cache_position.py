# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which position of the cache a decoder stack is at."""

from __future__ import annotations

from flax import linen as nn
import jax
import jax.numpy as jnp


def advance(
    stack: nn.Module,
    tokens: jax.Array,
    decode: bool,
    prefill_lengths: jax.Array | None,
) -> tuple[jax.Array | None, int, bool]:
  """Keeps count of the position in the cache, in `cache_index`.

  Args:
    stack: the module, called from a compact method of it; its first layer is
      `layers_0`, with a `self_attention`.
    tokens: int32 [rows, length].
    decode: see `decoder.Decoder`.
    prefill_lengths: see `decoder.Decoder`.

  Returns:
    The index to hand to the attention, int32 [] or [rows]; the number of key
    positions; and whether this call continues from an existing cache.

  Raises:
    ValueError: several tokens a row are to continue from a cache.
  """
  length = tokens.shape[1]
  if prefill_lengths is not None:
    stack.put_variable('cache', 'cache_index', prefill_lengths)
    return prefill_lengths, length, False
  if not decode:
    return None, length, False
  stepping = stack.has_variable('cache', 'cache_index')
  index = stack.variable(
      'cache', 'cache_index', lambda: jnp.zeros((), jnp.int32)
  )
  position = index.value
  if not stepping:
    return position, length, False
  if length != 1:
    raise ValueError(
        f'Decoding takes one token a row, got input of shape {tokens.shape}.'
    )
  index.value = position + 1
  first_layer = stack.variables['cache']['layers_0']['self_attention']
  return position, first_layer['cached_key'].shape[1], True
