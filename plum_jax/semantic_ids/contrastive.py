# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The contrastive loss that draws items together which occur together."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def info_nce(
    vectors: jax.Array, item_ids: jax.Array, temperature: float
) -> jax.Array:
  """Scores how well each item finds its partner among all others.

  Rows 2i and 2i + 1 are an item and its partner. For the anchor a with the
  partner b, -log(exp(a·b / t) / sum_j exp(a·v_j / t)), where j goes over b and
  over all rows that are neither a's item nor b's: InfoNCE over the 2n vectors
  with dot products (PLUM, section on Semantic IDs, where the logarithm is
  missing in print). Leaving out rows of the same two items is our choice; they
  would push an item away from itself.

  Args:
    vectors: [2n, projection].
    item_ids: int [2n], item numbers; -1 for the partner that an item has not.
      Such a row is no one's negative.
    temperature: t.

  Returns:
    [2n], the loss of each row as the anchor; 0 for both rows of an item that
    has no partner.

  >>> vectors = jnp.array([[1.0], [1.0], [-1.0], [9.0]])
  >>> losses = info_nce(vectors, jnp.array([0, 1, 2, -1]), 1.0)
  >>> [round(loss, 3) for loss in losses.tolist()]
  [0.127, 0.127, 0.0, 0.0]
  """
  partners = item_ids.reshape(-1, 2)[:, ::-1].reshape(-1)
  exists = item_ids >= 0
  paired = exists & (partners >= 0)
  # Pairs beside each other: the products of partners without a gather, which
  # would cross a mesh.
  pairs = vectors.reshape(-1, 2, vectors.shape[-1])
  positive = jnp.sum(pairs[:, 0] * pairs[:, 1], axis=-1) / temperature
  positive = jnp.repeat(positive, 2)
  logits = vectors @ vectors.T / temperature
  is_negative = (
      exists[None, :]
      & (item_ids[None, :] != item_ids[:, None])
      & (item_ids[None, :] != partners[:, None])
  )
  negatives = jnp.where(is_negative, logits, -jnp.inf)
  # The partner is always among the terms, so that no sum is empty.
  largest = jax.lax.stop_gradient(
      jnp.maximum(jnp.max(negatives, axis=-1), positive)
  )
  total = jnp.exp(positive - largest) + jnp.sum(
      jnp.exp(negatives - largest[:, None]), axis=-1
  )
  losses = largest + jnp.log(total) - positive
  return jnp.where(paired, losses, 0.0)
