# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Names, shapes, axes and outputs are those of T5X's own networks."""

import json
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.networks.decoder_only import DecoderOnly
from plum_jax.networks.encoder_decoder import Transformer

_FOLDER = pathlib.Path(__file__).parent / 'testdata'
_SIZES = {
    'vocab_size': 128,
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 4,
    'mlp_dim': 24,
    'dropout_rate': 0.0,
}
_VARIANTS = {
    'relu_shared': {'mlp_activations': ('relu',), 'logits_via_embedding': True},
    'gelu_linear': {'mlp_activations': ('gelu', 'linear')},
}


@pytest.fixture(scope='module')
def golden():
  """What testdata/make_t5x_golden.py wrote."""
  names = json.loads((_FOLDER / 't5x_golden.json').read_text(encoding='utf-8'))
  return names, np.load(_FOLDER / 't5x_golden.npz')


def _tokens(shape, seed):
  tokens = np.random.default_rng(seed).integers(1, 128, shape, dtype=np.int32)
  tokens[::2, -2:] = 0
  return tokens


def _network(kind, variant):
  inputs, targets = _tokens((4, 9), 1), _tokens((4, 6), 2)
  shifted = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
  options = {**_SIZES, **_VARIANTS[variant]}
  if kind == 'encoder_decoder':
    config = T5Config(**options, num_encoder_layers=2, num_decoder_layers=3)
    return Transformer(config), (inputs, shifted, targets)
  config = TransformerConfig(**options, num_layers=3)
  return DecoderOnly(config), (shifted, targets)


def _variables(network, tokens):
  return jax.eval_shape(
      lambda: network.init(jax.random.key(0), *tokens, enable_dropout=False)
  )


def _drawn(shapes):
  flat = traverse_util.flatten_dict(shapes, sep='/')
  drawn = {}
  for number, name in enumerate(sorted(flat)):
    rng = np.random.default_rng(number)
    drawn[name] = rng.normal(0, 0.3, flat[name].shape).astype(np.float32)
  return traverse_util.unflatten_dict(drawn, sep='/')


@pytest.mark.parametrize('variant', _VARIANTS)
@pytest.mark.parametrize('kind', ['encoder_decoder', 'decoder_only'])
def test_parameters_are_named_shaped_and_cut_as_in_t5x(golden, kind, variant):
  variables = _variables(*_network(kind, variant))
  axes = traverse_util.flatten_dict(variables['params_axes'], sep='/')
  shapes = traverse_util.flatten_dict(variables['params'], sep='/')
  found = {
      name: ', '.join(
          f'{axis} {size}'
          for axis, size in zip(
              axes[f'{name}_axes'].names, leaf.shape, strict=True
          )
      )
      for name, leaf in shapes.items()
  }
  assert found == golden[0][f'{kind}/{variant}']


@pytest.mark.parametrize('variant', _VARIANTS)
@pytest.mark.parametrize('kind', ['encoder_decoder', 'decoder_only'])
def test_logits_and_gradient_are_those_of_t5x_for_equal_parameters(
    golden, kind, variant
):
  network, tokens = _network(kind, variant)
  params = _drawn(_variables(network, tokens)['params'])

  def logits(params):
    return network.apply({'params': params}, *tokens, enable_dropout=False)

  def norm(params):
    return jnp.sum(jnp.square(jax.nn.log_softmax(logits(params))))

  expected = golden[1][f'{kind}/{variant}/logits']
  # Rows of padding see nothing real and are nothing to compare.
  real = tokens[-1] > 0
  np.testing.assert_allclose(
      np.asarray(logits(params))[real], expected[real], rtol=1e-5, atol=2e-5
  )
  squares = [
      jnp.sum(jnp.square(g)) for g in jax.tree.leaves(jax.grad(norm)(params))
  ]
  np.testing.assert_allclose(
      np.sqrt(np.sum(squares)),
      golden[1][f'{kind}/{variant}/gradient_norm'],
      rtol=1e-4,
  )
