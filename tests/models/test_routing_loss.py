# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Auxiliary losses of experts in a model's loss, metrics and gradient."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.models import routing_loss
from plum_jax.models import saved
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import TransformerConfig
from plum_jax.networks.mixture_of_experts import RoutingStatistics

_EXPERTS = ExpertsConfig(
    num_experts=4, num_selected=1, balance_loss=0.1, router_z_loss=0.01
)
_MODEL = DecoderOnlyModel(
    TransformerConfig(
        vocab_size=24,
        emb_dim=16,
        num_heads=2,
        head_dim=8,
        mlp_dim=32,
        num_layers=2,
        dropout_rate=0.0,
        remat_policy='full',
        experts=_EXPERTS,
    )
)


def _with(**options):
  experts = dataclasses.replace(_EXPERTS, **options)
  config = dataclasses.replace(_MODEL.config, experts=experts)
  return dataclasses.replace(_MODEL, config=config)


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  targets = rng.integers(1, 24, (4, 8)).astype(np.int32)
  targets[1, 5:] = 0
  targets[3] = 0  # A row of padding alone.
  return {
      'decoder_input_tokens': np.pad(targets, ((0, 0), (1, 0)))[:, :-1],
      'decoder_target_tokens': targets,
  }


@pytest.fixture(scope='module')
def params(batch):
  return jax.jit(_MODEL.init)(jax.random.key(0), batch)['params']


def _loss(model, params, batch):
  return jax.jit(model.loss_fn)(params, batch, None)


def test_sums_by_hand():
  layers = [
      RoutingStatistics(*(jnp.array(x, jnp.float32) for x in one))
      for one in (
          ([1.0, 2.0], [3.0, 4.0], [6.0, 2.0], [0.0, 1.0]),
          ([1.5, 1.0], [1.0, 0.0], [6.0, 2.0], [2.0, 0.0]),
      )
  ]
  loss, sums = routing_loss.routing_sums(
      layers, jnp.array([3.0, 1.0]), _EXPERTS
  )
  balance = 3 * (1.0 + 1.5) + (2.0 + 1.0)  # Of both layers.
  z = 3 * (3.0 + 1.0) + (4.0 + 0.0)
  np.testing.assert_allclose(loss, 0.1 * balance + 0.01 * z, rtol=1e-6)
  assert sums['router_balance'] == (pytest.approx(balance / 2), 4)
  assert sums['router_dropped'] == (pytest.approx(1.5), 8)


def test_loss_is_that_of_tokens_and_that_of_routing(params, batch):
  loss, sums = _loss(_MODEL, params, batch)
  none, plain = _loss(_with(balance_loss=0.0, router_z_loss=0.0), params, batch)
  assert float(plain['router_loss'][0]) == 0
  assert float(sums['router_loss'][0]) > 0
  np.testing.assert_allclose(loss, none + sums['router_loss'][0], rtol=1e-6)
  assert float(loss) == float(sums['loss'][0])
  assert float(sums['loss'][1]) == float(sums['router_loss'][1]) == 21
  balance = float(sums['router_balance'][0] / sums['router_balance'][1])
  assert 1 <= balance < 4
  # A token goes through one expert of each of the layers.
  assert float(sums['router_dropped'][1]) == 21


def test_sums_of_parts_are_those_of_the_batch(params, batch):
  whole = _loss(_MODEL, params, batch)
  parts = [
      _loss(_MODEL, params, {name: x[rows] for name, x in batch.items()})
      for rows in (slice(0, 2), slice(2, 4))
  ]
  total = jax.tree.map(jnp.add, *parts)
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), total, whole
  )


def test_balance_loss_spreads_tokens(params, batch):
  # A router that prefers one expert for all tokens.
  model = _with(balance_loss=1.0)
  skewed = jax.tree_util.tree_map_with_path(
      lambda path, leaf: leaf.at[:, 0].add(leaf.std())
      if 'router' in jax.tree_util.keystr(path)
      else leaf,
      params,
  )

  def routing(params):
    _, sums = model.loss_fn(params, batch, None)
    return sums['router_loss'][0] / sums['router_loss'][1]

  gradient = jax.jit(jax.value_and_grad(routing))
  before, found = gradient(skewed)
  moved = skewed
  for _ in range(5):
    _, found = gradient(moved)
    moved = jax.tree.map(lambda p, g: p - 0.05 * g, moved, found)
  after, _ = gradient(moved)
  assert after < before


def test_description_of_a_network_with_experts_is_read_again():
  values = json.loads(json.dumps(saved.to_json(_MODEL)))
  assert saved.from_json(values) == _MODEL
  dense = dataclasses.replace(_MODEL.config, experts=None)
  described = saved.to_json(DecoderOnlyModel(dense))
  assert 'experts' not in described['config']
  assert saved.from_json(described).config == dense
