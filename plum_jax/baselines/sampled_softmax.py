# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sampled softmax with the logQ correction."""

from __future__ import annotations

from flax.linen import partitioning
import jax
import jax.numpy as jnp


def sampled_cross_entropy(
    hidden: jax.Array,
    target_rows: jax.Array,
    target_item_ids: jax.Array,
    negative_rows: jax.Array,
    negative_item_ids: jax.Array,
    log_expected_counts: jax.Array,
) -> jax.Array:
  """Computes the cross-entropy of targets against sampled negatives.

  The softmax's partition function is the target's own term and the sum over
  all other items, of which the negatives are a sample: with E_j the number of
  times that item j is expected among them and s_j its score,

      Z = exp(s_t) + sum over negatives j != t of exp(s_j - log E_j)

  has the full partition function as its expectation, and so has its gradient;
  the loss, log Z - s_t, errs by what is of order 1 / (number of negatives).
  Negatives that are the target (accidental hits) are left out. The target
  itself is there with certainty, so it is not corrected (arXiv 2507.09331).
  Without the correction frequent negatives would be pushed down for being
  drawn (Bengio and Senécal 2008; logQ: Yi et al., RecSys 2019).

  Args:
    hidden: `[batch, length, embed]`.
    target_rows: `[batch, length, embed]`, output embeddings of the targets.
    target_item_ids: int32 `[batch, length]`.
    negative_rows: `[n, embed]`, output embeddings of the negatives, which all
      positions share.
    negative_item_ids: int32 `[n]`; an item may come several times.
    log_expected_counts: float32 `[n]`, log E of each negative.

  Returns:
    float32 `[batch, length]`.
  """
  target = jnp.sum(hidden * target_rows, axis=-1)
  scores = jnp.einsum('ble,ne->bln', hidden, negative_rows)
  scores = partitioning.with_sharding_constraint(
      scores - log_expected_counts[None, None, :], ('batch', 'length', 'item')
  )
  hit = target_item_ids[:, :, None] == negative_item_ids[None, None, :]
  scores = jnp.where(hit, -jnp.inf, scores)
  # The target's score is finite, also where all negatives are hits.
  highest = jax.lax.stop_gradient(jnp.maximum(target, jnp.max(scores, axis=-1)))
  others = jnp.sum(jnp.exp(scores - highest[:, :, None]), axis=-1)
  return jnp.log(jnp.exp(target - highest) + others) + highest - target
