# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The bias of a whole sequence against the bias of single pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.networks.relative_position import RelativePositionBias


@pytest.mark.parametrize('bidirectional', [False, True])
@pytest.mark.parametrize('length', [1, 2, 9])
def test_of_sequence_gives_the_bias_of_every_pair(length, bidirectional):
  module = RelativePositionBias(
      num_heads=3, num_buckets=8, max_distance=6, bidirectional=bidirectional
  )
  positions = jnp.arange(length)[None, :]
  variables = module.init(jax.random.key(0), positions, positions)
  expected = module.apply(variables, positions, positions)
  got = module.apply(variables, length, method=module.of_sequence)
  assert got.shape == (1, 3, length, length)
  np.testing.assert_array_equal(got, expected)


def test_of_sequence_has_the_gradient_of_every_pair():
  module = RelativePositionBias(
      num_heads=2, num_buckets=8, max_distance=6, bidirectional=False
  )
  positions = jnp.arange(5)[None, :]
  params = module.init(jax.random.key(0), positions, positions)['params']
  weights = jax.random.normal(jax.random.key(1), (1, 2, 5, 5))

  def loss(params, method, *args):
    return (
        module.apply({'params': params}, *args, method=method) * weights
    ).sum()

  got = jax.grad(loss)(params, module.of_sequence, 5)
  expected = jax.grad(loss)(params, module.__call__, positions, positions)
  np.testing.assert_allclose(
      got['rel_embedding'], expected['rel_embedding'], atol=1e-5
  )
