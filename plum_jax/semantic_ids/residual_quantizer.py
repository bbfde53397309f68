# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Residual quantization: a vector as a sum of one codeword per level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Quantized(NamedTuple):
  """What residual quantization gives for a batch.

  Attributes:
    codes: int32 [batch, num_levels], the chosen row of each level's codebook.
    residuals: [batch, num_levels, latent], what each level had to quantize;
      the first is the input itself.
    codewords: [batch, num_levels, latent], the chosen codewords. They carry
      gradients to the codebooks.
    quantized: [batch, latent], the sum of the codewords. Its gradient goes
      straight through to the input and not to the codebooks.
  """

  codes: jax.Array
  residuals: jax.Array
  codewords: jax.Array
  quantized: jax.Array


def nearest_codes(vectors: jax.Array, codebook: jax.Array) -> jax.Array:
  """Finds the codeword at the smallest Euclidean distance.

  Args:
    vectors: [batch, latent].
    codebook: [codebook_size, latent].

  Returns:
    int32 [batch]; the lowest number on a tie.

  >>> nearest_codes(jnp.array([[0.9, 0.2]]), jnp.eye(2)).tolist()
  [0]
  """
  distances = code_distances(vectors, codebook)
  return jnp.argmin(distances, axis=-1).astype(jnp.int32)


def code_distances(vectors: jax.Array, codebook: jax.Array) -> jax.Array:
  """Tells how far vectors are from the codewords, up to a shift.

  The product is computed in full float32 on every platform: a code that
  depends on the rounding of bfloat16 would not survive a change of machine.

  Args:
    vectors: [batch, latent].
    codebook: [codebook_size, latent].

  Returns:
    [batch, codebook_size]: |v - e|² without |v|², which is the same for all
    codewords.

  >>> code_distances(jnp.array([[3.0, 0.0]]), jnp.eye(2)).tolist()
  [[-5.0, 1.0]]
  """
  products = jnp.matmul(
      vectors, codebook.T, precision=jax.lax.Precision.HIGHEST
  )
  norms = jnp.sum(jnp.square(codebook), axis=-1)
  return norms[None, :] - 2 * products


def last_level_distances(
    z: jax.Array, codebooks: Sequence[jax.Array]
) -> jax.Array:
  """Tells how far items are from all codewords of the last level.

  Args:
    z: [batch, latent].
    codebooks: one [codebook_size, latent] per level.

  Returns:
    [batch, size of the last codebook]: `code_distances` of what the levels
    before left over.
  """
  residuals = quantize(z, codebooks).residuals
  return code_distances(residuals[:, -1], codebooks[-1])


def quantize(z: jax.Array, codebooks: Sequence[jax.Array]) -> Quantized:
  """Quantizes vectors level by level.

  r_0 = z; the code of level l is the codeword e_l nearest to r_{l-1}; and
  r_l = r_{l-1} - e_l (PLUM, section on Semantic IDs; TIGER, section 3.1). The
  residual is taken with the gradient of e_l stopped, so that a codebook learns
  from its own level's loss alone: our choice.

  Args:
    z: [batch, latent].
    codebooks: one [codebook_size, latent] per level; sizes may differ.

  Returns:
    Codes, residuals, codewords and the straight-through sum.

  >>> books = (jnp.array([[0.0, 0.0], [4.0, 0.0]]), jnp.array([[0.0, 1.0]]))
  >>> result = quantize(jnp.array([[5.0, 1.0]]), books)
  >>> result.codes.tolist(), result.quantized.tolist()
  ([[1, 0]], [[4.0, 1.0]])
  >>> result.residuals.tolist()
  [[[5.0, 1.0], [1.0, 1.0]]]
  """
  residual = z
  codes, residuals, codewords = [], [], []
  for codebook in codebooks:
    level_codes = nearest_codes(residual, codebook)
    codeword = jnp.take(codebook, level_codes, axis=0)
    codes.append(level_codes)
    residuals.append(residual)
    codewords.append(codeword)
    residual = residual - jax.lax.stop_gradient(codeword)
  stacked = jnp.stack(codewords, axis=1)
  total = jnp.sum(stacked, axis=1)
  return Quantized(
      codes=jnp.stack(codes, axis=1),
      residuals=jnp.stack(residuals, axis=1),
      codewords=stacked,
      quantized=z + jax.lax.stop_gradient(total - z),
  )


def first_levels(
    z: jax.Array, codewords: jax.Array, kept_levels: jax.Array
) -> jax.Array:
  """Sums the codewords of the first levels, straight through to z.

  Args:
    z: [batch, latent], what was quantized.
    codewords: [batch, num_levels, latent].
    kept_levels: int scalar from 1 to num_levels, how many levels count.

  Returns:
    [batch, latent]. Its gradient goes to z and not to the codewords.

  >>> words = jnp.array([[[4.0], [1.0], [0.5]]])
  >>> first_levels(jnp.array([[5.0]]), words, jnp.array(2)).tolist()
  [[5.0]]
  """
  kept = jnp.arange(codewords.shape[1]) < kept_levels
  total = jnp.sum(jnp.where(kept[None, :, None], codewords, 0.0), axis=1)
  return z + jax.lax.stop_gradient(total - z)


def prefix_sums(codewords: jax.Array) -> jax.Array:
  """Sums the codewords of the first level, the first two, and so on.

  Args:
    codewords: [batch, num_levels, latent].

  Returns:
    [batch, num_levels, latent]; the last is the full quantized vector.

  >>> prefix_sums(jnp.array([[[1.0], [2.0], [3.0]]]))[0, :, 0].tolist()
  [1.0, 3.0, 6.0]
  """
  return jnp.cumsum(codewords, axis=1)


def quantization_loss(quantized: Quantized, beta: float) -> jax.Array:
  """Codebook and commitment loss of each vector, summed over the levels.

  L_rq = sum_l ||sg(r_{l-1}) - e_l||² + β ||r_{l-1} - sg(e_l)||² (PLUM, section
  on Semantic IDs).

  Args:
    quantized: the result of `quantize`.
    beta: weight of the commitment; 0.25 in TIGER and in the ranking paper.

  Returns:
    [batch]; squared norms are sums, not means, over the latent dimension.
  """
  stop = jax.lax.stop_gradient
  residuals, codewords = quantized.residuals, quantized.codewords
  codebook = jnp.square(stop(residuals) - codewords)
  commitment = jnp.square(residuals - stop(codewords))
  return jnp.sum(codebook + beta * commitment, axis=(1, 2))
