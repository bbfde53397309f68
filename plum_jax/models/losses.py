# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Token cross-entropy, as T5X computes it."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp


def token_cross_entropy(
    logits: jax.Array,
    target_ids: jax.Array,
    *,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
  """Computes the loss of each token.

  With label smoothing s over V tokens the target has probability 1 - s and each
  other token s / (V - 1); the entropy of that distribution is subtracted, so
  that a perfect prediction has loss 0. The z-loss, z_loss * log(Z)^2, keeps the
  normaliser Z near 1 (T5X; arXiv 2204.02311, section 5).

  Args:
    logits: float32 [..., vocab].
    target_ids: int32 [...].
    label_smoothing: s.
    z_loss: factor of the z-loss.

  Returns:
    The loss, float32 [...], z-loss included; and the z-loss alone.

  >>> loss, _ = token_cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))
  >>> bool(jnp.isclose(loss[0], jnp.log(4.0)))
  True
  """
  log_z = jax.nn.logsumexp(logits, axis=-1)
  target_logits = jnp.take_along_axis(
      logits, target_ids[..., None], axis=-1
  ).squeeze(-1)
  loss = log_z - target_logits
  if label_smoothing:
    vocab_size = logits.shape[-1]
    on, off = 1 - label_smoothing, label_smoothing / (vocab_size - 1)
    entropy = -(on * math.log(on) + label_smoothing * math.log(off))
    sum_all = vocab_size * log_z - logits.sum(axis=-1)
    loss = (on - off) * loss + off * sum_all - entropy
  z = z_loss * jnp.square(log_z)
  return loss + z, z


def weighted_sums(
    logits: jax.Array,
    target_ids: jax.Array,
    weights: jax.Array | None,
    *,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
) -> tuple[jax.Array, dict[str, tuple[jax.Array, jax.Array]]]:
  """Sums loss and metrics over the tokens of a batch.

  Args:
    logits: float32 [batch, length, vocab].
    target_ids: int32 [batch, length].
    weights: [batch, length]; None weighs each target that is not 0 (padding)
      equally.
    label_smoothing: see `token_cross_entropy`.
    z_loss: see `token_cross_entropy`.

  Returns:
    The weighted sum of losses; and (sum, weight) of `loss`, `z_loss` and
    `accuracy`.
  """
  if weights is None:
    weights = target_ids > 0
  weights = weights.astype(jnp.float32)
  loss, z = token_cross_entropy(
      logits, target_ids, label_smoothing=label_smoothing, z_loss=z_loss
  )
  correct = jnp.argmax(logits, axis=-1) == target_ids
  total = weights.sum()
  loss_sum = (loss * weights).sum()
  return loss_sum, {
      'loss': (loss_sum, total),
      'z_loss': ((z * weights).sum(), total),
      'accuracy': ((correct * weights).sum(), total),
  }
