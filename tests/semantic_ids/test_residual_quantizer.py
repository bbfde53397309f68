# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.semantic_ids import residual_quantizer


def _brute_force(z, codebooks):
  codes, sums = [], []
  for vector in z:
    residual, row = vector.copy(), []
    for book in codebooks:
      row.append(int(np.argmin([np.sum((residual - e) ** 2) for e in book])))
      residual = residual - book[row[-1]]
    codes.append(row)
    sums.append(vector - residual)
  return np.array(codes), np.array(sums)


def _example(seed, sizes, batch=7, latent=3):
  generator = np.random.default_rng(seed)
  z = generator.normal(size=(batch, latent)).astype(np.float32)
  books = tuple(
      generator.normal(size=(n, latent)).astype(np.float32) for n in sizes
  )
  return z, books


@hypothesis.settings(max_examples=8, deadline=None)
@hypothesis.given(
    st.integers(0, 2**30),
    st.lists(st.sampled_from([1, 2, 5]), min_size=1, max_size=3),
)
def test_quantize_equals_brute_force_for_codebooks_of_any_sizes(seed, sizes):
  z, books = _example(seed, sizes)
  codes, sums = _brute_force(z, books)
  result = jax.jit(residual_quantizer.quantize)(jnp.asarray(z), books)
  np.testing.assert_array_equal(result.codes, codes)
  np.testing.assert_allclose(result.quantized, sums, atol=1e-5)
  np.testing.assert_allclose(
      residual_quantizer.prefix_sums(result.codewords)[:, -1], sums, atol=1e-5
  )


def test_quantize_gives_the_lowest_code_on_a_tie():
  books = (jnp.array([[1.0], [1.0], [-1.0]]),)
  codes = residual_quantizer.quantize(jnp.array([[0.0], [3.0]]), books).codes
  assert codes.tolist() == [[0], [0]]


def test_quantize_passes_the_gradient_straight_through_to_the_input():
  z, books = _example(0, (4, 2))
  weights = np.random.default_rng(1).normal(size=z.shape).astype(np.float32)

  def loss(z, books):
    return jnp.sum(weights * residual_quantizer.quantize(z, books).quantized)

  to_z, to_books = jax.jit(jax.grad(loss, argnums=(0, 1)))(
      jnp.asarray(z), books
  )
  np.testing.assert_allclose(to_z, weights, atol=1e-6)
  assert all(not np.any(book) for book in to_books)


def test_quantization_loss_equals_hand_computed_values():
  books = (jnp.array([[0.0], [4.0]]), jnp.array([[0.5], [-3.0]]))
  result = residual_quantizer.quantize(jnp.array([[5.0], [-1.0]]), books)
  # Residuals 5 → 4, left 1 → 0.5; -1 → 0, left -1 → 0.5 (1.5 < 2 away).
  assert result.codes.tolist() == [[1, 0], [0, 0]]
  loss = residual_quantizer.quantization_loss(result, beta=0.25)
  np.testing.assert_allclose(
      loss, [1.25 * (1 + 0.25), 1.25 * (1 + 2.25)], rtol=1e-6
  )


def test_quantization_loss_moves_codewords_to_residuals_and_beta_the_input():
  books = (jnp.array([[0.0], [4.0]]),)

  def loss(z, books, beta):
    result = residual_quantizer.quantize(z, books)
    return jnp.sum(residual_quantizer.quantization_loss(result, beta))

  to_z, to_books = jax.jit(jax.grad(loss, argnums=(0, 1)))(
      jnp.array([[5.0]]), books, 0.25
  )
  np.testing.assert_allclose(to_z, [[0.25 * 2 * 1]])
  np.testing.assert_allclose(to_books[0], [[0.0], [-2.0]])


def test_first_levels_sum_and_pass_gradients_to_the_input_alone():
  z, books = _example(3, (4, 3, 2))
  quantized = residual_quantizer.quantize(jnp.asarray(z), books)
  sums = residual_quantizer.prefix_sums(quantized.codewords)

  def total(z, codewords, kept):
    return residual_quantizer.first_levels(z, codewords, kept).sum()

  gradients = jax.jit(jax.grad(total, argnums=(0, 1)))
  first_levels = jax.jit(residual_quantizer.first_levels)
  for kept in (1, 2, 3):
    found = first_levels(z, quantized.codewords, kept)
    np.testing.assert_allclose(found, sums[:, kept - 1], atol=1e-5)
    to_z, to_codewords = gradients(z, quantized.codewords, kept)
    np.testing.assert_array_equal(to_z, 1.0)
    assert not np.any(to_codewords)
