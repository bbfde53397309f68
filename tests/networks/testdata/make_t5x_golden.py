# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes t5x_golden.json and t5x_golden.npz with T5X's own networks.

Run where T5X can be imported (docs/t5x.md), from the root of the repository:

    python tests/networks/testdata/make_t5x_golden.py

The JSON file has names, shapes and logical axes of all parameters; the NPZ file
logits and the gradient's norm for parameters and tokens that both sides draw
from the same seeds.
"""

import json
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from t5x.examples.decoder_only import network as decoder_only
from t5x.examples.t5 import network as t5

_FOLDER = pathlib.Path(__file__).parent
_SIZES = {
    'vocab_size': 128,
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 4,
    'mlp_dim': 24,
    'dropout_rate': 0.0,
}
_VARIANTS = {
    'relu_shared': {'mlp_activations': ['relu'], 'logits_via_embedding': True},
    'gelu_linear': {
        'mlp_activations': ['gelu', 'linear'],
        'logits_via_embedding': False,
    },
}


def draw_params(shapes):
  """Draws parameters by name, the same whatever order the tree has."""
  flat = traverse_util.flatten_dict(shapes, sep='/')
  drawn = {}
  for number, name in enumerate(sorted(flat)):
    rng = np.random.default_rng(number)
    drawn[name] = rng.normal(0, 0.3, flat[name].shape).astype(np.float32)
  return traverse_util.unflatten_dict(drawn, sep='/')


def draw_tokens(shape, seed):
  """Draws tokens, with padding at the end of every other row."""
  tokens = np.random.default_rng(seed).integers(1, 128, shape, dtype=np.int32)
  tokens[::2, -2:] = 0
  return tokens


def describe(axes, shape):
  """Returns `embed 16, mlp 24` for a parameter."""
  pairs = zip(axes, shape, strict=True)
  return ', '.join(f'{axis} {size}' for axis, size in pairs)


def make(network, variables_of, apply, name, golden, arrays):
  """Adds one network's names and outputs."""
  variables = jax.eval_shape(variables_of)
  axes = traverse_util.flatten_dict(variables['params_axes'], sep='/')
  shapes = traverse_util.flatten_dict(variables['params'], sep='/')
  golden[name] = {
      parameter: describe(axes[f'{parameter}_axes'].names, leaf.shape)
      for parameter, leaf in sorted(shapes.items())
  }
  params = draw_params(variables['params'])

  def norm(params):
    return jnp.sum(jnp.square(jax.nn.log_softmax(apply(network, params))))

  arrays[f'{name}/logits'] = np.asarray(apply(network, params))
  gradient = jax.grad(norm)(params)
  squares = [jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradient)]
  arrays[f'{name}/gradient_norm'] = np.sqrt(np.sum(squares))


def main():
  """Writes both files."""
  inputs, targets = draw_tokens((4, 9), 1), draw_tokens((4, 6), 2)
  shifted = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
  golden, arrays = {}, {}
  for variant, options in _VARIANTS.items():
    config = t5.T5Config(
        **_SIZES, **options, num_encoder_layers=2, num_decoder_layers=3
    )
    network = t5.Transformer(config)
    make(
        network,
        lambda net=network: net.init(
            jax.random.key(0), inputs, shifted, targets, enable_dropout=False
        ),
        lambda net, params: net.apply(
            {'params': params}, inputs, shifted, targets, enable_dropout=False
        ),
        f'encoder_decoder/{variant}',
        golden,
        arrays,
    )
    config = decoder_only.TransformerConfig(**_SIZES, **options, num_layers=3)
    network = decoder_only.DecoderWrapper(config)
    make(
        network,
        lambda net=network: net.init(
            jax.random.key(0), shifted, targets, enable_dropout=False
        ),
        lambda net, params: net.apply(
            {'params': params}, shifted, targets, enable_dropout=False
        ),
        f'decoder_only/{variant}',
        golden,
        arrays,
    )
  text = json.dumps(golden, indent=1, sort_keys=True)
  (_FOLDER / 't5x_golden.json').write_text(text + '\n', encoding='utf-8')
  np.savez(_FOLDER / 't5x_golden.npz', **arrays)


if __name__ == '__main__':
  main()
