# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Free text after a prompt: the most probable token, again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.models import generation
from plum_jax.models.decoder_only import DecoderOnlyModel


def greedy(
    model: DecoderOnlyModel,
    params: Any,
    batch: Mapping[str, jax.Array],
    num_tokens: int,
    end_id: int,
) -> jax.Array:
  """Continues prompts with any tokens, constrained by nothing.

  Args:
    model: a decoder-only generator.
    params: its parameters.
    batch: `prompt_tokens` and `prompt_lengths`; see `DecoderOnlyModel.prefill`.
    num_tokens: the most tokens to generate, at least 1.
    end_id: the token that ends a text.

  Returns:
    int32 [batch, num_tokens]: the continuation without its end, padded with 0.
  """
  prompt = model.prefill(params, batch)
  num_users = prompt.logits.shape[0]

  def apply(variables, tokens, **kwargs):
    logits, changed = model.network.apply(
        variables,
        tokens,
        tokens,
        enable_dropout=False,
        decode=True,
        mutable=['cache'],
        **kwargs,
    )
    return logits, changed['cache']

  room = jnp.zeros((num_users, num_tokens), jnp.int32)
  empty = generation.empty_state(lambda: apply({'params': params}, room)[1])
  shared = {'params': params, 'prefix_cache': prompt.cache}

  def step(state, _):
    cache, tokens, ended = state
    logits, cache = apply(
        {**shared, 'cache': cache}, tokens[:, None], prefix_mask=prompt.mask
    )
    following = jnp.argmax(logits[:, 0], axis=-1).astype(jnp.int32)
    ended = ended | (following == end_id)
    return (cache, following, ended), jnp.where(ended, 0, following)

  first = jnp.argmax(prompt.logits[:, 0], axis=-1).astype(jnp.int32)
  ended = first == end_id
  state = generation.to_rows(empty), first, ended
  _, rest = jax.lax.scan(step, state, length=num_tokens - 1)
  tokens = jnp.concatenate([jnp.where(ended, 0, first)[None], rest])
  return tokens.T
