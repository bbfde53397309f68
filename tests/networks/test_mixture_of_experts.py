# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Experts against a plain loop over tokens and experts, and by hand."""

import dataclasses
import functools

from flax import linen as nn
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.networks import mixture_of_experts
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.mixture_of_experts import assign_places
from plum_jax.networks.mixture_of_experts import MixtureOfExperts

_WIDTH, _HIDDEN = 8, 12
_INPUTS = jax.random.normal(jax.random.key(1), (3, 10, _WIDTH))
_RNG = np.random.default_rng(0)
_PARAMS = {
    name: jnp.asarray(_RNG.normal(size=shape), jnp.float32)
    for name, shape in {
        'router': (_WIDTH, 4),
        'wi_0': (4, _WIDTH, _HIDDEN),
        'wi_1': (4, _WIDTH, _HIDDEN),
        'wo': (4, _HIDDEN, _WIDTH),
    }.items()
}
_MASK = jnp.arange(10)[None, :] < jnp.array([[10], [7], [0]])


def _layer(**options):
  return MixtureOfExperts(
      ExpertsConfig(**{'num_experts': 4, 'num_selected': 2} | options),
      _HIDDEN,
      ('gelu', 'linear'),
      dropout_rate=0.0,
  )


@functools.partial(jax.jit, static_argnums=(0, 4))
def _apply(layer, params, inputs, mask=None, deterministic=True):
  """Returns the result and what was sown."""
  return layer.apply(
      {'params': params}, inputs, deterministic, mask, mutable='intermediates'
  )


def _kept(params, config, mask, capacity):
  """Which expert takes which token [experts, rows, length], one by one."""
  best = np.argsort(-np.asarray(_INPUTS @ params['router']), axis=-1)
  kept = np.zeros((config.num_experts, *mask.shape), bool)
  chosen = np.zeros_like(kept)
  for row, position in zip(*np.nonzero(np.asarray(mask)), strict=True):
    for expert in best[row, position, : config.num_selected]:
      chosen[expert, row, position] = True
      kept[expert, row, position] = kept[expert, row].sum() < capacity
  return kept, chosen


def _loop(params, config, inputs, kept, chosen):
  """The layer by its definition: a loop over experts, of all tokens each."""
  probabilities = jax.nn.softmax(inputs @ params['router'])
  gates = probabilities * jnp.moveaxis(chosen, 0, -1)
  if config.num_selected > 1:
    gates /= jnp.maximum(gates.sum(-1, keepdims=True), 1e-9)
  result = jnp.zeros_like(inputs)
  for expert in range(config.num_experts):
    hidden = nn.gelu(inputs @ params['wi_0'][expert])
    hidden *= inputs @ params['wi_1'][expert]
    share = gates[..., expert] * kept[expert]
    result += share[..., None] * (hidden @ params['wo'][expert])
  return result


@pytest.mark.parametrize(
    ('options', 'capacity'),
    [
        ({'eval_capacity_factor': 0.0}, 10),
        ({'eval_capacity_factor': 1.0}, 5),
        ({'eval_capacity_factor': 0.5}, 3),
        ({'eval_capacity_factor': 1.0, 'num_selected': 1}, 3),
    ],
)
def test_results_and_gradients_are_those_of_a_loop_over_experts(
    options, capacity
):
  layer = _layer(**options)
  weights = jax.random.normal(jax.random.key(2), _INPUTS.shape)

  def computed(params, inputs):
    return _apply(layer, params, inputs, _MASK)[0]

  # The choices have no gradient.
  choices = _kept(_PARAMS, layer.experts, _MASK, capacity)

  def defined(params, inputs):
    return _loop(params, layer.experts, inputs, *choices)

  @jax.jit
  def both(params, inputs):
    outputs, gradients = [], []
    for function in (computed, defined):
      output, pull = jax.vjp(function, params, inputs)
      outputs.append(output)
      gradients.append(pull(weights))
    return outputs, gradients

  outputs, (found, wanted) = both(_PARAMS, _INPUTS)
  np.testing.assert_allclose(*outputs, atol=1e-5)
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), found, wanted
  )
  assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(wanted))


def test_what_becomes_of_a_token_depends_on_earlier_ones_alone():
  layer = _layer(eval_capacity_factor=0.5)
  other = _INPUTS.at[:, 6:].set(-_INPUTS[:, 6:])
  first, _ = _apply(layer, _PARAMS, _INPUTS)
  second, _ = _apply(layer, _PARAMS, other)
  np.testing.assert_array_equal(first[:, :6], second[:, :6])
  assert not np.allclose(first[:, 6:], second[:, 6:])


def test_a_row_does_not_depend_on_others_or_on_padding():
  layer = _layer(eval_capacity_factor=0.5)
  alone, _ = _apply(layer, _PARAMS, _INPUTS[1:2, :7])
  padded = _INPUTS.at[:, 7:].set(5.0)
  # As many places in both.
  layer = _layer(eval_capacity_factor=0.5 * 7 / 10 + 0.01)
  together, _ = _apply(layer, _PARAMS, padded, _MASK)
  np.testing.assert_allclose(together[1:2, :7], alone, atol=1e-6)
  np.testing.assert_array_equal(together[1, 7:], 0.0)
  np.testing.assert_array_equal(together[2], 0.0)


def test_parameters_have_a_matrix_for_each_expert_and_known_axes():
  variables = jax.eval_shape(
      lambda: _layer().init(jax.random.key(0), _INPUTS, True)
  )
  assert jax.tree.map(jnp.shape, variables['params']) == jax.tree.map(
      jnp.shape, _PARAMS
  )
  axes = {
      name: tuple(axis.names) for name, axis in variables['params_axes'].items()
  }
  assert axes['wi_0_axes'] == ('expert', 'embed', 'expert_mlp')
  assert axes['wo_axes'] == ('expert', 'expert_mlp', 'embed')


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 3, 9]), st.integers(1, 2))
def test_places_are_given_once_and_in_order(seed, capacity, num_selected):
  rng = np.random.default_rng(seed)
  experts = np.stack(
      [rng.permutation(4)[:num_selected] for _ in range(2 * 9)]
  ).reshape(2, 9, num_selected)
  mask = rng.random((2, 9)) < 0.8
  places = assign_places(jnp.asarray(experts), jnp.asarray(mask), 4, capacity)
  for row in range(2):
    taken = [0] * 4
    wanted = []
    for position in range(9):
      for expert in experts[row, position]:
        if mask[row, position] and taken[expert] < capacity:
          wanted.append(expert * capacity + taken[expert])
          taken[expert] += 1
        else:
          wanted.append(-1)
    assert places.of_choice[row].tolist() == wanted
    held = np.full(4 * capacity, -1)
    for choice, place in enumerate(wanted):
      if place >= 0:
        held[place] = choice
    assert places.choice_in[row].tolist() == held.tolist()


def _statistics(layer, params, inputs, mask=None, deterministic=True):
  _, sown = _apply(layer, params, inputs, mask, deterministic)
  [found] = sown['intermediates'][mixture_of_experts.ROUTING]
  return found


def test_balance_is_one_for_equal_probabilities_and_greatest_for_one_expert():
  layer = _layer(num_selected=1)
  equal = _PARAMS | {'router': jnp.zeros((_WIDTH, 4))}
  np.testing.assert_allclose(
      _statistics(layer, equal, _INPUTS).balance, 1.0, rtol=1e-6
  )
  router = jnp.zeros((_WIDTH, 4)).at[:, 2].set(100.0)
  found = _statistics(layer, _PARAMS | {'router': router}, jnp.abs(_INPUTS))
  np.testing.assert_allclose(found.balance, 4.0, rtol=1e-6)


def test_statistics_follow_their_definitions_and_leave_padding_out():
  layer = _layer(eval_capacity_factor=0.5)
  found = _statistics(layer, _PARAMS, _INPUTS, _MASK)
  logits = np.asarray(_INPUTS @ _PARAMS['router'])[1, :7]
  probabilities = np.asarray(jax.nn.softmax(logits))
  chosen = np.argsort(-probabilities, axis=1)[:, :2]
  shares = np.bincount(chosen.ravel(), minlength=4) / 14
  np.testing.assert_allclose(
      found.balance[1], 4 * np.sum(shares * probabilities.mean(0)), rtol=1e-5
  )
  log_z = np.log(np.exp(logits).sum(axis=1))
  np.testing.assert_allclose(found.z[1], np.mean(log_z**2), rtol=1e-5)
  assert found.choices.tolist() == [20, 14, 0]
  over = np.maximum(np.bincount(chosen.ravel(), minlength=4) - 3, 0).sum()
  assert found.dropped[1] == over
  assert found.balance[2] == 0


def test_capacity_is_that_of_training_where_dropout_is_on():
  layer = _layer(train_capacity_factor=0.25, eval_capacity_factor=0.0)
  dropped = [
      float(_statistics(layer, _PARAMS, _INPUTS, None, mode).dropped.sum())
      for mode in (True, False)
  ]
  assert dropped[0] == 0
  # Two places for each of four experts, for 20 choices.
  assert dropped[1] >= 3 * (20 - 8)


@pytest.mark.parametrize(
    'options',
    [
        {'num_selected': 5},
        {'num_selected': 0},
        {'train_capacity_factor': -1.0},
        {'balance_loss': -0.1},
    ],
)
def test_numbers_without_meaning_are_refused(options):
  with pytest.raises(ValueError, match='expected'):
    dataclasses.replace(ExpertsConfig(num_experts=4), **options)
