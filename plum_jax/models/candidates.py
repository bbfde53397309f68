# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Scoring given continuations of a prompt that is computed once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.decoding.token_scores import token_log_probs
from plum_jax.models import generation


def score_candidates(
    model: generation.Continuing,
    params: Any,
    prompt: generation.Prompt,
    candidate_ids: jax.Array,
    candidate_mask: jax.Array | None = None,
) -> jax.Array:
  """Computes the log-probability of each of a user's candidates.

  The user's prompt, `model.prefill(params, batch)`, is shared by the user's
  candidates, which take the place of beams; tokens are fed one by one, so a
  candidate of L tokens costs L - 1 steps after the prompt, and one token none.
  Logits of all candidates, batch * candidates * vocab floats, are held at once.

  Args:
    model: the generator.
    params: its parameters.
    prompt: what `prefill` returned.
    candidate_ids: int32 [batch, candidates, length], tokens from the left:
      Semantic IDs, or titles with their end if that is to count.
    candidate_mask: bool [batch, candidates, length], true for real tokens,
      which come before the padding; None if all are.

  Returns:
    float32 [batch, candidates], the sum over the candidate's tokens; -inf for a
    candidate without tokens.

  Raises:
    ValueError: shapes do not fit.
  """
  shape = candidate_ids.shape
  if candidate_mask is None:
    candidate_mask = jnp.ones(shape, bool)
  if len(shape) != 3 or 0 in shape or candidate_mask.shape != shape:
    raise ValueError(
        f'candidate_ids {shape} and candidate_mask {candidate_mask.shape} must '
        'both be [batch, candidates, length], with one token at least.'
    )
  continuation = model.continuation(params, prompt)
  if continuation.num_users != shape[0]:
    raise ValueError(
        f'{continuation.num_users} prompts do not go with candidates {shape}.'
    )
  # Padding may be any number; its score is never used.
  tokens = jnp.moveaxis(jnp.where(candidate_mask, candidate_ids, 0), 2, 0)
  real = jnp.moveaxis(candidate_mask, 2, 0)
  first = token_log_probs(continuation.logits, tokens[0][:, None, :])[:, 0]
  scores = jnp.where(real[0], first, -jnp.inf)
  if shape[2] == 1:
    return scores
  state = jax.tree.map(
      lambda leaf: leaf
      if leaf.ndim < 2
      else jnp.repeat(leaf, shape[1], axis=1),
      continuation.empty_state(shape[2] - 1),
  )

  def step(carry, x):
    scores, state = carry
    token_ids, next_ids, is_real = x
    logits, state = continuation.step(token_ids, state)
    gained = token_log_probs(logits, next_ids[..., None])[..., 0]
    return (scores + jnp.where(is_real, gained, 0), state), None

  (scores, _), _ = jax.lax.scan(
      step, (scores, state), (tokens[:-1], tokens[1:], real[1:])
  )
  return scores
