# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Log-probabilities of a few tokens of a large vocabulary."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def token_log_probs(logits: jax.Array, token_ids: jax.Array) -> jax.Array:
  """Returns log-softmax of `logits` at some tokens.

  Log-probabilities of the whole vocabulary are never held.

  Args:
    logits: float [..., vocab].
    token_ids: int32 [..., num_tokens].

  Returns:
    float32 [..., num_tokens].

  >>> token_log_probs(jnp.zeros((1, 4)), jnp.array([[2, 0]])).round(3).tolist()
  [[-1.3860000371932983, -1.3860000371932983]]
  """
  normalizers = jax.nn.logsumexp(
      logits.astype(jnp.float32), axis=-1, keepdims=True
  )
  chosen = jnp.take_along_axis(logits, token_ids, axis=-1)
  return chosen.astype(jnp.float32) - normalizers
