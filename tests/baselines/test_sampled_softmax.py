# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sampled softmax against the full one, and against all draws there are."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.baselines.sampled_softmax import sampled_cross_entropy

NUM_ITEMS = 4
PROBS = np.array([0.5, 0.25, 0.15, 0.1], np.float32)
_RNG = np.random.default_rng(0)
TABLE = jnp.asarray(_RNG.normal(size=(NUM_ITEMS, 3)), jnp.float32)
HIDDEN = jnp.asarray(_RNG.normal(size=(2, 3, 3)), jnp.float32)
TARGETS = jnp.asarray([[0, 1, 2], [3, 2, 2]], jnp.int32)


@jax.jit
def sampled(table, negatives, log_expected):
  return sampled_cross_entropy(
      HIDDEN, table[TARGETS], TARGETS, table[negatives], negatives, log_expected
  )


def full(table):
  logits = jnp.einsum('ble,ie->bli', HIDDEN, table)
  target = jnp.take_along_axis(logits, TARGETS[:, :, None], axis=2)[:, :, 0]
  return jax.nn.logsumexp(logits, axis=2) - target


def partition(table, negatives, log_expected):
  """The estimate of the partition function, out of the loss."""
  target = jnp.sum(HIDDEN * table[TARGETS], axis=-1)
  return jnp.exp(sampled(table, negatives, log_expected) + target)


def all_draws(num_draws):
  """Every ordered draw with replacement, and its probability."""
  draws = np.array(list(itertools.product(range(NUM_ITEMS), repeat=num_draws)))
  return jnp.asarray(draws, jnp.int32), np.prod(PROBS[draws], axis=1)


def expectation(function, num_draws):
  """The mean of a function of (negatives, log expected counts), exactly."""
  draws, probs = all_draws(num_draws)
  log_expected = jnp.log(PROBS[draws]) + np.log(num_draws)
  values = jax.vmap(function)(draws, log_expected)
  return np.tensordot(probs, np.asarray(values), axes=1)


def test_all_items_without_correction_are_the_full_softmax():
  everything = jnp.arange(NUM_ITEMS)
  zeros = jnp.zeros(NUM_ITEMS)
  np.testing.assert_allclose(
      sampled(TABLE, everything, zeros), full(TABLE), rtol=1e-5
  )
  gradient = jax.grad(lambda table: sampled(table, everything, zeros).sum())
  expected = jax.grad(lambda table: full(table).sum())(TABLE)
  np.testing.assert_allclose(gradient(TABLE), expected, rtol=1e-4, atol=1e-6)


def test_partition_function_and_its_gradient_are_unbiased():
  def summed(table, negatives, log_expected):
    return partition(table, negatives, log_expected).sum()

  found = expectation(lambda *draw: summed(TABLE, *draw), 3)
  logits = jnp.einsum('ble,ie->bli', HIDDEN, TABLE)
  assert found == pytest.approx(float(jnp.exp(logits).sum()), rel=1e-5)
  gradient = expectation(lambda *draw: jax.grad(summed)(TABLE, *draw), 3)
  expected = jax.grad(
      lambda table: jnp.exp(jnp.einsum('ble,ie->bli', HIDDEN, table)).sum()
  )(TABLE)
  np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_without_correction_the_partition_function_is_biased():
  found = expectation(
      lambda negatives, _: partition(TABLE, negatives, jnp.zeros(3)).sum(), 3
  )
  logits = jnp.einsum('ble,ie->bli', HIDDEN, TABLE)
  assert abs(found / float(jnp.exp(logits).sum()) - 1) > 0.05


def test_bias_of_the_loss_gradient_falls_with_the_number_of_negatives():
  table = 0.3 * TABLE  # Scores near each other: few negatives are many.
  expected = jax.grad(lambda table: full(table).sum())(table)

  def bias(num_draws):
    gradient = expectation(
        lambda *draw: jax.grad(lambda t: sampled(t, *draw).sum())(table),
        num_draws,
    )
    return np.abs(gradient - np.asarray(expected)).max()

  biases = [bias(num_draws) for num_draws in (1, 2, 4, 6)]
  assert biases == sorted(biases, reverse=True)
  assert biases[-1] < biases[0] / 2


def test_negatives_in_their_expected_numbers_give_the_full_gradient():
  numbers = np.array([10, 5, 3, 2])  # 20 draws, just as probable as PROBS says.
  negatives = jnp.asarray(np.repeat(np.arange(NUM_ITEMS), numbers))
  log_expected = jnp.log(jnp.asarray(numbers, jnp.float32))[negatives]
  gradient = jax.grad(
      lambda table: sampled(table, negatives, log_expected).sum()
  )(TABLE)
  expected = jax.grad(lambda table: full(table).sum())(TABLE)
  np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_accidental_hits_are_left_out():
  negatives = jnp.asarray([0, 1, 2, 3, 2], jnp.int32)
  log_expected = jnp.log(jnp.asarray([1.0, 2.0, 0.5, 1.5, 0.5]))
  found = sampled(TABLE, negatives, log_expected)
  for row, position in np.ndindex(2, 3):
    target = int(TARGETS[row, position])
    scores = np.asarray(TABLE @ HIDDEN[row, position])
    others = [
        np.exp(scores[item]) / np.exp(float(log))
        for item, log in zip(negatives.tolist(), log_expected, strict=True)
        if item != target
    ]
    loss = np.log(np.exp(scores[target]) + sum(others)) - scores[target]
    assert float(found[row, position]) == pytest.approx(loss, rel=1e-5)


def test_hits_alone_give_no_loss_and_no_gradient():
  negatives = jnp.asarray([2, 2], jnp.int32)
  target = jnp.full((2, 3), 2, jnp.int32)

  def loss(table):
    return sampled_cross_entropy(
        HIDDEN, table[target], target, table[negatives], negatives, jnp.zeros(2)
    ).sum()

  value, gradient = jax.value_and_grad(loss)(TABLE)
  assert float(value) == pytest.approx(0, abs=1e-6)
  np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_scores_far_apart_stay_finite():
  negatives = jnp.asarray([0, 1, 3], jnp.int32)
  loss, gradient = jax.value_and_grad(
      lambda table: sampled(table, negatives, jnp.zeros(3)).sum()
  )(TABLE * 1e3)
  assert np.isfinite(loss)
  assert np.isfinite(gradient).all()
