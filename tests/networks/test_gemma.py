# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Gemma's windows, shared heads, rotary positions and cached decoding."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.networks import rotary
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.decoder_only import DecoderOnly

# A window shorter than the prompts; a local layer, and a global one.
_CONFIG = GemmaConfig(
    vocab_size=31,
    emb_dim=16,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    mlp_dim=24,
    num_layers=2,
    global_every=2,
    sliding_window=3,
    query_pre_attn_scalar=4.0,
    bos_id=2,
)
_NETWORK = DecoderOnly(_CONFIG)


def _tokens(seed, shape):
  return jax.random.randint(jax.random.key(seed), shape, 3, 31)


@pytest.fixture(scope='module')
def params():
  tokens = jnp.zeros((1, 3), jnp.int32)
  made = jax.eval_shape(
      lambda: _NETWORK.init(jax.random.key(0), tokens, tokens)
  )['params']
  # Norms that are not 1, and logits that differ.
  generator = np.random.default_rng(1)
  return jax.tree.map(
      lambda x: jnp.asarray(generator.normal(0, 0.3, x.shape), x.dtype), made
  )


# Compiling takes most of the time.
_jit = functools.partial(
    jax.jit, compiler_options={'xla_backend_optimization_level': 0}
)


def _run(variables, tokens, targets, **kwargs):
  return _NETWORK.apply(
      variables,
      tokens,
      targets,
      enable_dropout=False,
      mutable=['cache'],
      **kwargs,
  )


_apply = _jit(_run, static_argnames=('decode', 'prefill', 'last_only'))


def _whole(params, tokens, **kwargs):
  return _apply({'params': params}, tokens, jnp.ones_like(tokens), **kwargs)[0]


def _room(params, rows, length):
  """An empty cache."""
  tokens = jnp.zeros((rows, length), jnp.int32)
  variables = {'params': params}
  made = jax.eval_shape(
      functools.partial(_run, decode=True), variables, tokens, tokens
  )
  return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), made[1]['cache'])


def test_every_parameter_has_an_axis_name_for_each_dimension():
  tokens = jnp.zeros((1, 3), jnp.int32)
  variables = jax.eval_shape(
      lambda: _NETWORK.init(jax.random.key(0), tokens, tokens)
  )
  shapes = variables['params']['decoder']['layers_0']['self_attention']
  axes = variables['params_axes']['decoder']['layers_0']['self_attention']
  found = {
      name: (
          shapes[name][leaf].shape,
          tuple(axes[name][f'{leaf}_axes'].names),
      )
      for name, leaf in (
          *((m, 'kernel') for m in ('query', 'key', 'value', 'out')),
          *((n, 'scale') for n in ('query_norm', 'key_norm')),
      )
  }
  assert found == {
      'query': ((16, 16), ('embed', 'joined_kv')),
      'key': ((16, 8), ('embed', 'kv_heads')),
      'value': ((16, 8), ('embed', 'kv_heads')),
      'out': ((16, 16), ('joined_kv', 'embed')),
      'query_norm': ((4,), ('kv',)),
      'key_norm': ((4,), ('kv',)),
  }


def test_turned_products_depend_on_distances_alone():
  query, key = jax.random.normal(jax.random.key(0), (2, 1, 1, 1, 8))

  def product(query_position, key_position):
    turned = (
        rotary.turn(x, rotary.rotation(jnp.array([[at]]), 100.0, 8))
        for x, at in ((query, query_position), (key, key_position))
    )
    return float(jnp.vdot(*turned))

  np.testing.assert_allclose(product(7, 3), product(4, 0), rtol=1e-5)
  np.testing.assert_allclose(product(5, 5), float(jnp.vdot(query, key)), 1e-5)
  assert abs(product(7, 3) - product(7, 4)) > 1e-2


def test_local_layers_see_the_window_and_global_ones_all_before():
  """What a changed first token changes, layer by layer."""

  def changed(**sizes):
    network = DecoderOnly(dataclasses.replace(_CONFIG, **sizes))
    tokens = _tokens(3, (1, 12))
    other = tokens.at[0, 0].set(tokens[0, 0] % 27 + 3)

    @_jit
    def logits(key, tokens):
      params = network.init(key, tokens, tokens)
      return network.apply(
          params, tokens, jnp.ones_like(tokens), enable_dropout=False
      )

    one, two = (logits(jax.random.key(5), x) for x in (tokens, other))
    return np.flatnonzero(np.abs(one - two).max(axis=(0, 2)) > 1e-6).tolist()

  local = {'global_every': 99}
  # Each local layer reaches two positions further back.
  assert changed(num_layers=1, **local) == [0, 1, 2]
  assert changed(num_layers=3, **local) == [0, 1, 2, 3, 4, 5, 6]
  assert changed(num_layers=1, global_every=1) == list(range(12))


def test_zero_at_the_start_is_the_token_that_begins_texts(params):
  tokens = _tokens(2, (1, 6))
  np.testing.assert_array_equal(
      _whole(params, tokens.at[0, 0].set(0)),
      _whole(params, tokens.at[0, 0].set(_CONFIG.bos_id)),
  )


@pytest.mark.parametrize('prompt', ['causal', 'bidirectional'])
def test_a_shared_prefix_is_continued_as_if_it_were_one_sequence(
    params, prompt
):
  num_users, num_beams, length, steps = 2, 3, 5, 3
  mask = jnp.arange(length)[None, :] >= jnp.array([0, 2])[:, None]
  prompt_tokens = jnp.where(mask, _tokens(1, (num_users, length)), 0)
  continuations = _tokens(2, (num_users * num_beams, steps))
  causal = mask.astype(jnp.int32) if prompt == 'bidirectional' else None
  variables = {'params': params}
  logits, prefilled = _apply(
      variables,
      prompt_tokens,
      mask.astype(jnp.int32),
      decoder_causal_attention=causal,
      prefill=True,
      last_only=True,
  )
  got = [jnp.repeat(logits, num_beams, axis=0)]
  cache = _room(params, num_users * num_beams, steps)
  for step in range(steps):
    token = continuations[:, step : step + 1]
    logits, changed = _apply(
        {**variables, 'cache': cache, 'prefix_cache': prefilled['cache']},
        token,
        token,
        decode=True,
        prefix_mask=mask,
    )
    cache = changed['cache']
    got.append(logits)
  for row in range(num_users * num_beams):
    user = row // num_beams
    real = prompt_tokens[user][mask[user]]
    whole = jnp.concatenate([real, continuations[row]])[None]
    causal = None
    if prompt == 'bidirectional':
      causal = (jnp.arange(whole.shape[1]) < real.size)[None].astype(jnp.int32)
    expected = _whole(params, whole, decoder_causal_attention=causal)
    np.testing.assert_allclose(
        jnp.concatenate(got, axis=1)[row],
        expected[0, real.size - 1 :],
        atol=1e-5,
    )


def test_the_calls_of_t5x_are_followed_when_prompts_differ_in_length(params):
  tokens, lengths = _tokens(3, (2, 7)), jnp.array([4, 2])
  cache = _apply(
      {'params': params, 'cache': _room(params, 2, 7)},
      tokens,
      (jnp.arange(7)[None, :] < lengths[:, None]).astype(jnp.int32),
      prefill=True,
      prefill_lengths=lengths,
  )[1]['cache']
  whole = _whole(params, tokens)
  for step in range(3):
    position = lengths + step
    token = jnp.take_along_axis(tokens, position[:, None], axis=1)
    logits, changed = _apply(
        {'params': params, 'cache': cache}, token, token, decode=True
    )
    cache = changed['cache']
    np.testing.assert_allclose(
        logits[:, 0], whole[jnp.arange(2), position], atol=1e-5
    )


@pytest.mark.parametrize('positions', ['given', 'by row'])
def test_packed_examples_have_the_logits_that_they_have_alone(
    params, positions
):
  parts = [_tokens(4, (1, 5)), _tokens(5, (1, 8))]
  packed = jnp.concatenate(parts, axis=1)
  inputs = jnp.concatenate(
      [jnp.pad(x, ((0, 0), (1, 0)))[:, :-1] for x in parts], axis=1
  )
  got = _apply(
      {'params': params},
      inputs,
      packed,
      decoder_segment_ids=jnp.array([[1] * 5 + [2] * 8]),
      decoder_positions=(
          jnp.array([[*range(5), *range(8)]]) if positions == 'given' else None
      ),
  )[0]
  for part, begin, end in ((0, 0, 5), (1, 5, 13)):
    np.testing.assert_allclose(
        got[:, begin:end], _whole(params, inputs[:, begin:end]), atol=1e-5
    )
    assert parts[part].shape[1] == end - begin


def test_remat_changes_no_gradient(params):
  tokens = _tokens(6, (2, 5))

  def gradient(policy):
    network = DecoderOnly(dataclasses.replace(_CONFIG, remat_policy=policy))
    return _jit(
        jax.grad(
            lambda params: jnp.square(
                network.apply(
                    {'params': params}, tokens, tokens, enable_dropout=False
                )
            ).mean()
        )
    )(params)

  expected = gradient('none')
  for policy in ('minimal', 'full'):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-4),
        gradient(policy),
        expected,
    )


def test_bfloat16_keeps_parameters_and_logits_in_float32(params):
  network = DecoderOnly(dataclasses.replace(_CONFIG, dtype='bfloat16'))
  tokens = _tokens(7, (2, 5))
  logits = _jit(
      lambda params: network.apply(
          {'params': params}, tokens, tokens, enable_dropout=False
      )
  )(params)
  assert logits.dtype == jnp.float32
  exact = _whole(params, tokens)
  assert (
      0
      < float(jnp.abs(logits - exact).max())
      < 0.05 * float(jnp.abs(exact).max())
  )
