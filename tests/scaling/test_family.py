# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parameters against Flax's, FLOPs against the programs that XLA compiles."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.hardware import program_costs
from plum_jax.models import flops
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.scaling import family

_EXPERTS = ExpertsConfig(num_experts=4, num_selected=2)
_LENGTH, _ROWS = 64, 8


def _shapes(config):
  model = DecoderOnlyModel(config)
  batch = {
      name: jax.ShapeDtypeStruct((_ROWS, _LENGTH), jnp.int32)
      for name in ('decoder_input_tokens', 'decoder_target_tokens')
  }
  params = jax.eval_shape(lambda: model.init(jax.random.key(0), batch))
  return model, params['params'], batch


@pytest.mark.parametrize(
    'config',
    [
        family.network(1, 640),
        family.network(7, 640),
        family.network(3, 640, experts=_EXPERTS),
        dataclasses.replace(family.network(2, 640), logits_via_embedding=False),
        *(family.plum_network(size, 1024) for size in family.PLUM),
    ],
)
def test_parameters_are_those_that_flax_makes(config):
  _, params, _ = _shapes(config)
  made = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
  assert family.count_parameters(config).total == made


def test_sizes_for_a_laptop_go_from_tens_of_thousands_to_millions():
  counts = [
      family.count_parameters(family.network(size, 640)).total
      for size in range(1, 8)
  ]
  assert counts[0] < 50_000 < counts[1]
  assert counts[-1] > 4_000_000
  assert counts == sorted(counts)


@pytest.mark.parametrize(
    ('size', 'activated'),
    [('110m', 110e6), ('370m', 370e6), ('900m', 900e6), ('3b', 3e9)],
)
def test_plums_sizes_activate_what_the_paper_says(size, activated):
  count = family.count_parameters(family.plum_network(size, 1024))
  assert count.activated == pytest.approx(activated, rel=0.04)
  assert count.network > 5 * count.activated


def test_experts_activate_as_much_as_the_dense_member():
  dense = family.count_parameters(family.network(4, 640))
  mixture = family.count_parameters(family.network(4, 640, experts=_EXPERTS))
  assert mixture.activated - dense.activated == 4 * 128 * 4  # Routers.
  assert family.resized(family.network(2, 640, experts=_EXPERTS), 4) == (
      family.network(4, 640, experts=_EXPERTS)
  )


def _wide(size, experts=None):
  """Wide enough that products outweigh elementwise work."""
  return family.network(
      size, 512, width_per_layer=256, head_dim=64, experts=experts
  )


def _compile(function, *arguments):
  return program_costs.measure(jax.jit(function).lower(*arguments).compile())


@pytest.mark.parametrize(
    'config',
    [_wide(1), _wide(2), _wide(3), _wide(2, _EXPERTS), _wide(3, _EXPERTS)],
)
def test_forward_flops_are_xlas_within_two_percent(config):
  model, params, batch = _shapes(config)

  def forward(params, tokens):
    return model.network.apply(
        {'params': params}, tokens, tokens, enable_dropout=False
    )

  costs = _compile(forward, params, batch['decoder_input_tokens'])
  tokens = _ROWS * _LENGTH
  wanted = family.token_flops(config, _LENGTH, 'eval').forward * tokens
  assert costs.xla_flops == pytest.approx(wanted, rel=0.02)
  assert costs.matrix_flops == pytest.approx(wanted, rel=0.005)


@pytest.mark.parametrize('config', [_wide(2), _wide(2, _EXPERTS)])
def test_training_flops_are_xlas_within_two_percent(config):
  model, params, batch = _shapes(config)

  def gradient(params, batch):
    return jax.grad(lambda p: model.loss_fn(p, batch, None)[0])(params)

  costs = _compile(gradient, params, batch)
  wanted = family.token_flops(config, _LENGTH, 'eval').training
  assert costs.xla_flops == pytest.approx(wanted * _ROWS * _LENGTH, rel=0.02)


def test_empty_places_of_experts_are_counted_apart():
  config = family.network(2, 640, experts=_EXPERTS)
  activated = family.token_flops(config, 10)
  computed = family.token_flops(config, 10, 'train')
  # Seven places in each of four experts, for two choices of ten tokens.
  empty = 4 * 7 - 2 * 10
  extra = 2 * 2 * flops.mlp_weights(config) * empty / 10
  assert computed.forward - activated.forward == pytest.approx(extra)
  assert activated.backward == 2 * activated.forward
  assert activated.training == 3 * activated.forward


def test_sizes_that_are_none_are_refused():
  with pytest.raises(InputError, match='size 0'):
    family.network(0, 640)
  with pytest.raises(InputError, match='no size'):
    family.plum_network('1b', 640)
