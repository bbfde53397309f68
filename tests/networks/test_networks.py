# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shapes, axes and cached decoding of both networks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.networks.decoder_only import DecoderOnly
from plum_jax.networks.encoder_decoder import Transformer

_SIZES = {
    'vocab_size': 31,
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 4,
    'mlp_dim': 24,
    'mlp_activations': ('gelu', 'linear'),
}
_DECODER = DecoderOnly(TransformerConfig(num_layers=2, **_SIZES))
_ENCODER_DECODER = Transformer(
    T5Config(num_encoder_layers=2, num_decoder_layers=2, **_SIZES)
)


def _tokens(seed, shape):
  return jax.random.randint(jax.random.key(seed), shape, 1, 31)


def _shifted(targets):
  return jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1]


@pytest.fixture(scope='module')
def decoder_params():
  tokens = jnp.zeros((1, 3), jnp.int32)
  return _DECODER.init(jax.random.key(0), tokens, tokens, enable_dropout=False)[
      'params'
  ]


@pytest.fixture(scope='module')
def encoder_decoder_params():
  tokens = jnp.zeros((1, 3), jnp.int32)
  return _ENCODER_DECODER.init(
      jax.random.key(0), tokens, tokens, tokens, enable_dropout=False
  )['params']


def _flat(tree):
  return {
      '/'.join(key.key for key in path): leaf
      for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
  }


def test_parameters_of_the_decoder_are_those_of_t5x():
  tokens = jnp.zeros((1, 3), jnp.int32)
  variables = jax.eval_shape(
      lambda: _DECODER.init(
          jax.random.key(0), tokens, tokens, enable_dropout=False
      )
  )
  shapes = {
      name: leaf.shape
      for name, leaf in _flat(variables['params']).items()
      if 'layers_1' not in name
  }
  assert shapes == {
      'decoder/decoder_norm/scale': (16,),
      'decoder/layers_0/mlp/wi_0/kernel': (16, 24),
      'decoder/layers_0/mlp/wi_1/kernel': (16, 24),
      'decoder/layers_0/mlp/wo/kernel': (24, 16),
      'decoder/layers_0/pre_mlp_layer_norm/scale': (16,),
      'decoder/layers_0/pre_self_attention_layer_norm/scale': (16,),
      'decoder/layers_0/self_attention/key/kernel': (16, 8),
      'decoder/layers_0/self_attention/out/kernel': (8, 16),
      'decoder/layers_0/self_attention/query/kernel': (16, 8),
      'decoder/layers_0/self_attention/value/kernel': (16, 8),
      'decoder/logits_dense/kernel': (16, 31),
      'decoder/relpos_bias/rel_embedding': (2, 32),
      'decoder/token_embedder/embedding': (31, 16),
  }


def test_parameters_of_the_encoder_decoder_are_those_of_t5x():
  tokens = jnp.zeros((1, 3), jnp.int32)
  variables = jax.eval_shape(
      lambda: _ENCODER_DECODER.init(
          jax.random.key(0), tokens, tokens, tokens, enable_dropout=False
      )
  )
  names = {n for n in _flat(variables['params']) if 'layers_1' not in n}
  attention = {'query', 'key', 'value', 'out'}
  assert names == (
      {'token_embedder/embedding', 'decoder/logits_dense/kernel'}
      | {f'{s}/relpos_bias/rel_embedding' for s in ('encoder', 'decoder')}
      | {'encoder/encoder_norm/scale', 'decoder/decoder_norm/scale'}
      | {
          f'{s}/layers_0/{n}'
          for s in ('encoder', 'decoder')
          for n in (
              'mlp/wi_0/kernel',
              'mlp/wi_1/kernel',
              'mlp/wo/kernel',
              'pre_mlp_layer_norm/scale',
          )
      }
      | {f'encoder/layers_0/attention/{a}/kernel' for a in attention}
      | {'encoder/layers_0/pre_attention_layer_norm/scale'}
      | {f'decoder/layers_0/self_attention/{a}/kernel' for a in attention}
      | {
          f'decoder/layers_0/encoder_decoder_attention/{a}/kernel'
          for a in attention
      }
      | {
          'decoder/layers_0/pre_self_attention_layer_norm/scale',
          'decoder/layers_0/pre_cross_attention_layer_norm/scale',
      }
  )


def test_every_parameter_has_as_many_axis_names_as_dimensions():
  tokens = jnp.zeros((1, 3), jnp.int32)
  variables = _ENCODER_DECODER.init(
      jax.random.key(0), tokens, tokens, tokens, enable_dropout=False
  )
  params = _flat(variables['params'])
  axes = {
      '/'.join(k.key for k in path[:-1]).removesuffix('_axes'): leaf.names
      for path, leaf in jax.tree_util.tree_flatten_with_path(
          variables['params_axes'], is_leaf=lambda x: hasattr(x, 'names')
      )[0]
      for path in [(*path, None)]
  }
  assert {n: len(a) for n, a in axes.items()} == {
      n: p.ndim for n, p in params.items()
  }
  known = {'vocab', 'embed', 'mlp', 'joined_kv', 'heads', 'relpos_buckets'}
  assert set().union(*axes.values()) == known


@pytest.mark.parametrize('prompt', ['causal', 'bidirectional'])
def test_decoder_continues_a_shared_prefix_as_if_it_were_one_sequence(
    decoder_params, prompt
):
  """Prefill once a user, then beams of different tokens, right-aligned."""
  num_users, num_beams, length, steps = 2, 3, 5, 3
  prompt_tokens = _tokens(1, (num_users, length))
  # User 0 has a prompt of 5 tokens, user 1 of 3, aligned to the right.
  mask = jnp.arange(length)[None, :] >= jnp.array([0, 2])[:, None]
  prompt_tokens = jnp.where(mask, prompt_tokens, 0)
  causal = mask.astype(jnp.int32) if prompt == 'bidirectional' else None
  continuations = _tokens(2, (num_users * num_beams, steps))
  params = {'params': decoder_params}
  logits, variables = _DECODER.apply(
      params,
      prompt_tokens,
      mask.astype(jnp.int32),
      decoder_causal_attention=causal,
      enable_dropout=False,
      prefill=True,
      last_only=True,
      mutable=['cache'],
  )
  room = jnp.zeros((num_users * num_beams, steps), jnp.int32)
  cache = _DECODER.apply(
      params,
      room,
      room,
      enable_dropout=False,
      decode=True,
      mutable=['cache'],
  )[1]['cache']
  prefix = variables['cache']
  got = [jnp.repeat(logits, num_beams, axis=0)]
  for step in range(steps):
    token = continuations[:, step : step + 1]
    logits, variables = _DECODER.apply(
        {**params, 'cache': cache, 'prefix_cache': prefix},
        token,
        token,
        enable_dropout=False,
        decode=True,
        prefix_mask=mask,
        mutable=['cache'],
    )
    cache = variables['cache']
    got.append(logits)
  # The same in one piece, each beam a row, each row without padding.
  for row in range(num_users * num_beams):
    user = row // num_beams
    real = prompt_tokens[user][mask[user]]
    whole = jnp.concatenate([real, continuations[row]])[None]
    causal = None
    if prompt == 'bidirectional':
      causal = (jnp.arange(whole.shape[1]) < real.size)[None].astype(jnp.int32)
    expected = _DECODER.apply(
        params,
        whole,
        jnp.ones_like(whole),
        decoder_causal_attention=causal,
        enable_dropout=False,
    )[0, real.size - 1 :]
    np.testing.assert_allclose(
        jnp.concatenate(got, axis=1)[row], expected, atol=1e-5
    )


def test_last_only_gives_the_last_logits_and_the_whole_cache(decoder_params):
  tokens = _tokens(1, (2, 5))
  mask = (jnp.arange(5)[None, :] >= jnp.array([[0], [2]])).astype(jnp.int32)
  whole, last = (
      _DECODER.apply(
          {'params': decoder_params},
          tokens,
          mask,
          enable_dropout=False,
          prefill=True,
          last_only=last_only,
          mutable=['cache'],
      )
      for last_only in (False, True)
  )
  np.testing.assert_allclose(last[0], whole[0][:, -1:], atol=1e-6)
  jax.tree.map(np.testing.assert_array_equal, last[1], whole[1])


def test_encoder_decoder_steps_share_the_encoder_as_if_forced(
    encoder_decoder_params,
):
  num_users, num_beams, steps = 2, 3, 3
  inputs = _tokens(1, (num_users, 6)).at[1, 4:].set(0)
  targets = _tokens(2, (num_users * num_beams, steps + 1))
  params = {'params': encoder_decoder_params}
  encoded = _ENCODER_DECODER.apply(
      params, inputs, enable_dropout=False, method=Transformer.encode
  )

  def decode(variables, tokens, **kwargs):
    return _ENCODER_DECODER.apply(
        variables,
        encoded,
        inputs,
        tokens,
        jnp.ones_like(tokens),
        enable_dropout=False,
        mutable=['cache'],
        method=Transformer.decode,
        **kwargs,
    )

  start = jnp.zeros((num_users, 1), jnp.int32)
  logits, variables = decode(params, start, prefill=True)
  prefix = variables['cache']
  got = [jnp.repeat(logits, num_beams, axis=0)]
  small = decode(params, jnp.zeros((num_users, steps), jnp.int32), decode=True)
  cache = jax.tree.map(
      lambda x: jnp.repeat(x, num_beams, 0) if x.ndim else x, small[1]['cache']
  )
  for step in range(steps):
    logits, variables = decode(
        {**params, 'cache': cache, 'prefix_cache': prefix},
        targets[:, step : step + 1],
        decode=True,
        prefix_mask=start == 0,
    )
    cache = variables['cache']
    got.append(logits)
  expected = _ENCODER_DECODER.apply(
      params,
      jnp.repeat(inputs, num_beams, axis=0),
      _shifted(targets),
      targets,
      enable_dropout=False,
  )
  np.testing.assert_allclose(jnp.concatenate(got, 1), expected, atol=1e-5)


def test_decoder_follows_the_calls_of_t5x_when_prompts_differ_in_length(
    decoder_params,
):
  """Cache made by a first call, filled by prefill_lengths, then one by one."""
  params = {'params': decoder_params}
  tokens = _tokens(3, (2, 7))
  lengths = jnp.array([4, 2])
  room = jnp.ones_like(tokens)
  cache = _DECODER.apply(
      params,
      room,
      room,
      enable_dropout=False,
      decode=True,
      mutable=['cache'],
  )[1]['cache']
  cache = _DECODER.apply(
      {**params, 'cache': cache},
      tokens,
      (jnp.arange(7)[None, :] < lengths[:, None]).astype(jnp.int32),
      enable_dropout=False,
      prefill=True,
      prefill_lengths=lengths,
      mutable=['cache'],
  )[1]['cache']
  whole = _DECODER.apply(params, tokens, room, enable_dropout=False)
  for step in range(3):
    position = lengths + step
    token = jnp.take_along_axis(tokens, position[:, None], axis=1)
    logits, variables = _DECODER.apply(
        {**params, 'cache': cache},
        token,
        token,
        enable_dropout=False,
        decode=True,
        max_decode_length=7,
        mutable=['cache'],
    )
    cache = variables['cache']
    expected = whole[jnp.arange(2), position]
    np.testing.assert_allclose(logits[:, 0], expected, atol=1e-5)


def test_packed_examples_do_not_see_each_other(
    decoder_params, encoder_decoder_params
):
  first, second = _tokens(4, (1, 3)), _tokens(5, (1, 4))
  packed = jnp.concatenate([first, second], axis=1)
  inputs = jnp.concatenate([_shifted(first), _shifted(second)], axis=1)
  segments = jnp.array([[1] * 3 + [2] * 4])
  got = _DECODER.apply(
      {'params': decoder_params},
      inputs,
      packed,
      decoder_segment_ids=segments,
      enable_dropout=False,
  )
  alone = _DECODER.apply(
      {'params': decoder_params}, _shifted(second), second, enable_dropout=False
  )
  np.testing.assert_allclose(got[:, 3:], alone, atol=1e-5)
  got = _ENCODER_DECODER.apply(
      {'params': encoder_decoder_params},
      packed,
      inputs,
      packed,
      encoder_segment_ids=segments,
      decoder_segment_ids=segments,
      enable_dropout=False,
  )
  alone = _ENCODER_DECODER.apply(
      {'params': encoder_decoder_params},
      second,
      _shifted(second),
      second,
      enable_dropout=False,
  )
  np.testing.assert_allclose(got[:, 3:], alone, atol=1e-5)


@pytest.mark.parametrize('policy', ['minimal', 'full'])
def test_remat_changes_neither_parameters_nor_gradients(decoder_params, policy):
  tokens = _tokens(6, (2, 5))
  remat = DecoderOnly(dataclasses.replace(_DECODER.config, remat_policy=policy))

  def gradient(network):
    return jax.grad(
        lambda params: jnp.square(
            network.apply(
                {'params': params},
                tokens,
                tokens,
                rngs={'dropout': jax.random.key(1)},
            )
        ).mean()
    )(decoder_params)

  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
      gradient(remat),
      gradient(_DECODER),
  )


def test_remat_refuses_an_unknown_policy(decoder_params):
  tokens = _tokens(6, (2, 5))
  network = DecoderOnly(
      dataclasses.replace(_DECODER.config, remat_policy='most')
  )
  with pytest.raises(ValueError, match="'most'"):
    network.apply(
        {'params': decoder_params}, tokens, tokens, enable_dropout=False
    )


def test_bfloat16_keeps_parameters_and_logits_in_float32():
  network = DecoderOnly(dataclasses.replace(_DECODER.config, dtype='bfloat16'))
  tokens = _tokens(7, (2, 5))
  variables = network.init(
      jax.random.key(0), tokens, tokens, enable_dropout=False
  )
  assert {p.dtype for p in jax.tree.leaves(variables['params'])} == {
      jnp.dtype('float32')
  }
  logits = network.apply(variables, tokens, tokens, enable_dropout=False)
  assert logits.dtype == jnp.float32
  exact = _DECODER.apply(variables, tokens, tokens, enable_dropout=False)
  assert 0 < float(jnp.abs(logits - exact).max()) < 0.3
