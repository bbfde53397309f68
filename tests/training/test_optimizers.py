# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes
from plum_jax.training import optimizers
from plum_jax.training import schedules

P = jax.sharding.PartitionSpec


def _params():
  generator = np.random.default_rng(0)
  return {
      'kernel': generator.normal(size=(4, 6)).astype(np.float32),
      'scale': np.full(3, 0.5, np.float32),
  }


def _gradients(step):
  generator = np.random.default_rng([1, step])
  return {
      'kernel': generator.normal(size=(4, 6)).astype(np.float32),
      'scale': generator.normal(size=3).astype(np.float32),
  }


def _run(config, num_steps=3):
  params = jax.tree.map(jnp.asarray, _params())
  optimizer = optimizers.make_optimizer(config)
  state = optimizer.init(params)
  update = jax.jit(optimizer.update)
  for step in range(num_steps):
    updates, state = update(_gradients(step), state, params)
    params = optax.apply_updates(params, updates)
  return params


def test_adamw_takes_the_steps_of_the_paper():
  found = _run(
      optimizers.AdamW(schedules.Constant(0.1), weight_decay=0.01, b2=0.99)
  )
  for name, value in _params().items():
    mean = variance = 0.0
    for step in range(3):
      gradient = _gradients(step)[name]
      mean = 0.9 * mean + 0.1 * gradient
      variance = 0.99 * variance + 0.01 * gradient**2
      update = (mean / (1 - 0.9 ** (step + 1))) / (
          np.sqrt(variance / (1 - 0.99 ** (step + 1))) + 1e-8
      )
      # Of one dimension: not decayed.
      decay = 0.01 if name == 'kernel' else 0.0
      value = value - 0.1 * (update + decay * value)
    np.testing.assert_allclose(found[name], value, rtol=1e-5)


@pytest.mark.parametrize('relative', [True, False])
@pytest.mark.parametrize('min_factored_size', [4, 128])
def test_adafactor_takes_the_steps_of_the_paper(relative, min_factored_size):
  def rms(x):
    return np.sqrt(np.mean(x**2))

  found = _run(
      optimizers.Adafactor(
          schedules.Constant(0.1),
          relative_to_parameter_scale=relative,
          min_factored_size=min_factored_size,
      )
  )
  for name, value in _params().items():
    factored = value.ndim == 2 and min_factored_size == 4
    rows = columns = variance = 0.0
    for step in range(3):
      gradient = _gradients(step)[name]
      decay = 1 - (step + 1.0) ** -0.8
      squared = gradient**2 + 1e-30
      if factored:
        rows = decay * rows + (1 - decay) * squared.mean(1)
        columns = decay * columns + (1 - decay) * squared.mean(0)
        estimate = np.outer(rows, columns) / rows.mean()
      else:
        variance = decay * variance + (1 - decay) * squared
        estimate = variance
      update = gradient / np.sqrt(estimate)
      update /= max(1.0, rms(update) / 1.0)
      scale = max(rms(value), 1e-3) if relative else 1.0
      value = value - 0.1 * scale * update
    np.testing.assert_allclose(found[name], value, rtol=1e-5)


def test_max_gradient_norm_scales_gradients_down():
  gradients = {'w': jnp.array([[3.0, 4.0]])}
  optimizer = optimizers.make_optimizer(optimizers.AdamW(max_gradient_norm=0.5))
  small = {'w': jnp.array([[0.3, 0.4]])}
  state = optimizer.init(small)
  update = jax.jit(optimizer.update)
  large_state = update(gradients, state, small)[1]
  small_state = update(small, state, small)[1]
  jax.tree.map(np.testing.assert_array_equal, large_state, small_state)


def test_decay_mask_leaves_out_named_parameters():
  mask = optimizers.decay_mask(
      {'token_embedding': np.ones((2, 2)), 'kernel': np.ones((2, 2))},
      ('embedding$',),
  )
  assert mask == {'token_embedding': False, 'kernel': True}


def test_decay_mask_refuses_an_expression_that_finds_nothing():
  with pytest.raises(InputError, match="named like no_decay='embeding'"):
    optimizers.decay_mask({'embedding': np.ones((2, 2))}, ('embeding',))


@pytest.mark.parametrize('shape', [(16, 8), (8, 16), (8, 8)])
def test_state_shardings_follow_the_parameters(shape):
  mesh = meshes.make_mesh(data=1, fsdp=2, tensor=4)
  params = {'layer': {'kernel': jax.ShapeDtypeStruct(shape, jnp.float32)}}
  sharding = jax.sharding.NamedSharding(mesh, P('fsdp', 'tensor'))
  shardings = {'layer': {'kernel': sharding}}

  def specs(config):
    state = jax.eval_shape(optimizers.make_optimizer(config).init, params)
    placed = optimizers.state_shardings(state, params, shardings, mesh)
    return {
        jax.tree_util.keystr(path): leaf.spec
        for path, leaf in jax.tree_util.tree_leaves_with_path(placed)
    }

  adamw = specs(optimizers.AdamW())
  assert adamw["[0].mu['layer']['kernel']"] == P('fsdp', 'tensor')
  assert adamw['[0].count'] == P()
  adafactor = specs(optimizers.Adafactor(min_factored_size=4))
  rows = adafactor["[0].v_row['layer']['kernel']"]
  columns = adafactor["[0].v_col['layer']['kernel']"]
  # Rows lose the larger dimension, the last of two equal ones.
  expected = [P('tensor'), P('fsdp')]
  assert [rows, columns] == (expected if shape == (16, 8) else expected[::-1])
  assert adafactor["[0].v['layer']['kernel']"] == P()
