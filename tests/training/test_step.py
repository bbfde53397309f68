# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.testing import tiny_model
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training import step as steps
from plum_jax.training.config import TrainConfig

_ADAMW = optimizers.AdamW(schedules.Constant(0.01), max_gradient_norm=1.0)
_ADAFACTOR = optimizers.Adafactor(
    schedules.InverseSquareRoot(0.1, hold_steps=2), min_factored_size=16
)


_DROPOUT = tiny_model.TinyModel(dropout_rate=0.5)


def _one_device():
  return meshes.make_mesh(devices=jax.devices()[:1])


@functools.cache
def _program(mesh=None, model=None, rules='fsdp_tensor', **config):
  batch = next(tiny_model.TinyBatches())
  return steps.build_program(
      model or tiny_model.TinyModel(),
      TrainConfig(
          num_steps=100, **{'optimizer': _ADAMW, 'log_every': 1, **config}
      ),
      mesh or _one_device(),
      axis_rules.preset(rules),
      jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batch),
  )


@functools.cache
def _initial_leaves(optimizer):
  program = _program(optimizer=optimizer)
  return jax.tree.leaves(jax.device_get(program.init()))


def _initial_state(program, optimizer=_ADAMW):
  """Makes the first state, the same on each mesh."""
  shapes, structure = jax.tree.flatten(program.state_shapes)
  leaves = [
      jax.device_put(leaf, shape.sharding)
      for leaf, shape in zip(_initial_leaves(optimizer), shapes, strict=True)
  ]
  return jax.tree.unflatten(structure, leaves)


def _run(program, num_steps, batches=None, optimizer=_ADAMW):
  """Returns the last state and the loss of each step."""
  batches = batches or tiny_model.TinyBatches()
  state = _initial_state(program, optimizer)
  losses = []
  for _ in range(num_steps):
    batch = jax.device_put(
        next(batches), program.batch_shapes['decoder_input_tokens'].sharding
    )
    state, report = program.step(state, batch)
    losses.append(np.divide(*map(float, report.metric_sums['loss'])))
  return state, losses


def _assert_close(found, expected, rtol=2e-5, atol=2e-6):
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol),
      jax.device_get(found),
      jax.device_get(expected),
  )


@pytest.mark.parametrize(
    ('sizes', 'rules', 'optimizer'),
    [
        ({'data': 8}, 'data', _ADAMW),
        ({'data': 1, 'fsdp': 8}, 'fsdp', _ADAMW),
        ({'data': 1, 'tensor': 8}, 'tensor', _ADAMW),
        ({'data': 2, 'fsdp': 2, 'tensor': 2}, 'fsdp_tensor', _ADAFACTOR),
    ],
)
def test_step_gives_the_same_loss_on_eight_devices(sizes, rules, optimizer):
  state, losses = _run(_program(optimizer=optimizer), 5, optimizer=optimizer)
  program = _program(
      meshes.make_mesh(**sizes), rules=rules, optimizer=optimizer
  )
  many_state, many_losses = _run(program, 5, optimizer=optimizer)
  np.testing.assert_allclose(many_losses, losses, rtol=1e-5)
  _assert_close(many_state.params, state.params, atol=1e-5)
  assert losses[-1] < losses[0]


def test_init_cuts_the_same_state_over_the_mesh():
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  state = _program(mesh, optimizer=_ADAFACTOR).init()
  found = jax.tree.leaves(jax.device_get(state))
  _assert_close(found, _initial_leaves(_ADAFACTOR))

  def pieces(leaf):
    return {shard.data.shape for shard in leaf.addressable_shards}

  assert pieces(state.params['wi']) == {(8, 12)}
  statistics = state.optimizer_state[0]
  # The columns of [embed, mlp] lose embed, the smaller of the two.
  assert pieces(statistics.v_row['wi']) == {(8,)}
  assert pieces(statistics.v_col['wi']) == {(12,)}


@pytest.mark.parametrize(('num_devices', 'num_microbatches'), [(1, 4), (2, 2)])
def test_microbatches_equal_the_whole_batch(num_devices, num_microbatches):
  whole, losses = _run(_program(), 3)
  mesh = meshes.make_mesh(devices=jax.devices()[:num_devices])
  state, pieces_losses = _run(
      _program(mesh, num_microbatches=num_microbatches), 3
  )
  np.testing.assert_allclose(pieces_losses, losses, rtol=1e-6)
  _assert_close(state, whole)


def test_gradient_is_of_the_mean_over_all_weights():
  # Halves of unequal weight: the mean of their means would be another number.
  model, batch = tiny_model.TinyModel(), next(tiny_model.TinyBatches())
  batch['decoder_loss_weights'][1::4] = 0
  program = _program(_one_device(), num_microbatches=4)
  state = _initial_state(program)

  def mean_loss(params):
    loss_sum, sums = model.loss_fn(params, batch, None)
    return loss_sum / sums['loss'][1]

  loss, gradient = jax.jit(jax.value_and_grad(mean_loss))(state.params)
  _, report = program.step(state, batch)
  found = report.metric_sums['loss']
  np.testing.assert_allclose(found[0] / found[1], loss, rtol=1e-6)
  np.testing.assert_allclose(
      report.gradient_norm, optax.tree.norm(gradient), rtol=1e-5
  )


def test_metric_sums_start_anew_after_each_logged_step():
  batches = tiny_model.TinyBatches()
  program = _program(log_every=3)
  state = _initial_state(program)
  weights = []
  for _ in range(7):
    batch = next(batches)
    batch['decoder_loss_weights'][:] = 0.5
    state, report = program.step(state, batch)
    weights.append(float(report.metric_sums['loss'][1]))
  assert weights == [28.0, 56.0, 84.0, 28.0, 56.0, 84.0, 28.0]


def test_dropout_depends_on_seed_and_step_alone():
  def losses(seed, **sizes):
    mesh = meshes.make_mesh(**sizes) if sizes else _one_device()
    program = _program(mesh, _DROPOUT, seed=seed)
    state = _initial_state(program)
    batch = next(tiny_model.TinyBatches())
    found = []
    for _ in range(3):
      # The same parameters each time, so that dropout alone differs.
      params = jax.tree.map(jnp.copy, state.params)
      state, report = program.step(state, batch)
      state = dataclasses.replace(state, params=params)
      found.append(float(report.metric_sums['loss'][0]))
    return found

  first = losses(0)
  assert losses(0) == first
  assert len({*first, *losses(1)}) == 6
  np.testing.assert_allclose(losses(0, tensor=2), first, rtol=1e-5)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_first_step_with_a_loss_that_is_not_finite_is_remembered(bad):
  program = _program()
  batches = tiny_model.TinyBatches()
  state, _ = _run(program, 2, batches)
  assert int(state.failed_step) == -1
  for weight in (bad, 1.0, bad):
    batch = next(batches)
    batch['decoder_loss_weights'][0, 0] = weight
    state, report = program.step(state, batch)
    assert int(report.failed_step) == int(state.failed_step) == 3
  assert int(state.step) == 5


def test_step_of_padding_alone_changes_nothing():
  program = _program()
  state = _initial_state(program)
  params = jax.device_get(state.params)
  batch = next(tiny_model.TinyBatches())
  batch['decoder_loss_weights'][:] = 0
  state, report = program.step(state, batch)
  assert int(report.failed_step) == -1
  jax.tree.map(np.testing.assert_array_equal, state.params, params)


def test_step_compiles_once_and_reuses_its_memory():
  program = _program()
  program.step.clear_cache()
  state = _initial_state(program)
  batches = tiny_model.TinyBatches()
  for _ in range(3):
    old = state
    state, _ = program.step(state, next(batches))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old.params))
  assert program.step._cache_size() == 1


def test_a_misspelt_logical_axis_raises():
  model = tiny_model.TinyModel(mlp_axis='mpl')
  with pytest.raises(InputError, match="No axis rule names .* 'mpl'"):
    _program(model=model)


@pytest.mark.parametrize(
    ('sizes', 'num_microbatches', 'pieces'),
    [
        ({'data': 8}, 2, 16),
        ({'data': 1}, 3, 3),
        ({'data': 2, 'fsdp': 2}, 4, 16),
    ],
)
def test_a_batch_that_cannot_be_cut_is_refused(sizes, num_microbatches, pieces):
  num_devices = np.prod(list(sizes.values()))
  mesh = meshes.make_mesh(**sizes, devices=jax.devices()[:num_devices])
  with pytest.raises(InputError, match=f'8 cannot be cut into {pieces} equal'):
    _program(mesh, num_microbatches=num_microbatches)


def test_options_of_the_tpu_compiler_are_kept_from_other_devices():
  program = steps.build_program(
      tiny_model.TinyModel(),
      TrainConfig(num_steps=100, optimizer=_ADAMW, log_every=1),
      _one_device(),
      axis_rules.preset(),
      jax.eval_shape(
          lambda: jax.tree.map(jnp.asarray, next(tiny_model.TinyBatches()))
      ),
      tpu_compiler_options={'xla_tpu_that_a_cpu_would_refuse': True},
  )
  # A CPU's compiler refuses options that it does not know.
  program.lower_step().compile()


def test_lower_train_step_compiles_from_shapes_alone():
  batch = jax.eval_shape(
      lambda: jax.tree.map(jnp.asarray, next(tiny_model.TinyBatches()))
  )
  lowered = steps.lower_train_step(
      tiny_model.TinyModel(),
      TrainConfig(num_steps=100, optimizer=_ADAFACTOR, log_every=1),
      meshes.make_mesh(data=2, fsdp=2, tensor=2),
      axis_rules.preset(),
      batch,
  )
  compiled = lowered.compile()
  assert 'all-reduce' in compiled.as_text()
  assert compiled.memory_analysis().argument_size_in_bytes > 0
