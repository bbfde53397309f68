# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Losses by hand; decoding against the loss of every item's tokens."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.models import flops
from plum_jax.models import losses
from plum_jax.models import saved
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig

_SIZES = {
    'vocab_size': 24,
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
}
# Three levels of 6, 5 and 4 codes, tokens from 3 on.
_SIDS = np.stack(np.unravel_index(np.arange(0, 120, 5), (6, 5, 4)), axis=1)
_SIDS = _SIDS + np.array([3, 9, 14])


def _scale(params):
  """Makes a random network opinionated, so that scores differ."""
  return jax.tree.map(lambda p: p * 2, params)


def test_label_smoothing_and_z_loss_agree_with_their_definitions():
  logits = jax.random.normal(jax.random.key(0), (2, 3, 5))
  targets = jnp.array([[0, 1, 2], [3, 4, 0]])
  loss, z = losses.token_cross_entropy(
      logits, targets, label_smoothing=0.2, z_loss=0.01
  )
  wanted = jnp.where(jax.nn.one_hot(targets, 5) > 0, 0.8, 0.05)
  log_probs = jax.nn.log_softmax(logits)
  divergence = (wanted * (jnp.log(wanted) - log_probs)).sum(-1)
  expected_z = 0.01 * jax.nn.logsumexp(logits, -1) ** 2
  np.testing.assert_allclose(z, expected_z, rtol=1e-5)
  np.testing.assert_allclose(loss, divergence + expected_z, rtol=1e-4)


def test_weighted_sums_ignore_padding_and_follow_weights():
  logits = jnp.zeros((1, 3, 4)).at[0, 0, 2].set(50.0)
  targets = jnp.array([[2, 1, 0]])
  loss_sum, sums = losses.weighted_sums(logits, targets, None)
  np.testing.assert_allclose(loss_sum, np.log(4), rtol=1e-5)
  assert float(sums['loss'][1]) == 2
  # Ties go to token 0, so only the first token is right.
  assert float(sums['accuracy'][0]) == 1
  loss_sum, sums = losses.weighted_sums(
      logits, targets, jnp.array([[1.0, 0.5, 0.0]])
  )
  np.testing.assert_allclose(loss_sum, 0.5 * np.log(4), rtol=1e-5)
  assert float(sums['loss'][1]) == 1.5


def _expected(result, scores):
  best = np.sort(scores, axis=1)[:, ::-1]
  np.testing.assert_allclose(result.scores, best, rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(
      np.take_along_axis(scores, np.asarray(result.item_ids), axis=1),
      best,
      rtol=1e-4,
      atol=1e-4,
  )
  assert np.ptp(scores) > 1


def _item_scores(logits, targets):
  """Log-probability of SIDs, the last three targets of each row."""
  log_probs = jax.nn.log_softmax(logits)
  tokens = jnp.take_along_axis(log_probs, targets[..., None], -1)[..., 0]
  return tokens[:, -3:].sum(axis=1)


_NETWORKS = {
    't5': TransformerConfig(num_layers=2, **_SIZES),
    # A window shorter than the prompts.
    'gemma': GemmaConfig(
        num_layers=2, global_every=2, sliding_window=3, **_SIZES
    ),
    # Nothing is dropped: then a token's experts do not depend on its row.
    'experts': TransformerConfig(
        num_layers=2,
        experts=ExpertsConfig(num_experts=3, eval_capacity_factor=0.0),
        **_SIZES,
    ),
}


@pytest.mark.parametrize(
    ('network', 'bidirectional'),
    [('t5', False), ('t5', True), ('gemma', False), ('experts', False)],
)
def test_decoder_only_recommends_the_items_of_highest_likelihood(
    network, bidirectional
):
  model = DecoderOnlyModel(
      _NETWORKS[network], inputs_bidirectional_attention=bidirectional
  )
  shape = jax.ShapeDtypeStruct((2, 9), jnp.int32)
  params = _scale(
      model.init(jax.random.key(0), {'decoder_input_tokens': shape})['params']
  )
  prompts = np.array([[3, 10, 15, 4, 9, 14], [5, 11, 16, 0, 0, 0]], np.int32)
  lengths = np.array([6, 3], np.int32)
  index = build_constraint_index(_SIDS)
  result = jax.jit(model.recommend, static_argnums=3)(
      params,
      {'prompt_tokens': prompts, 'prompt_lengths': lengths},
      index,
      len(_SIDS),
  )
  scores = []
  for prompt, length in zip(prompts, lengths, strict=True):
    targets = jnp.array([[*prompt[:length], *sid] for sid in _SIDS])
    inputs = jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    causal = None
    if bidirectional:
      causal = jnp.broadcast_to(
          (jnp.arange(targets.shape[1]) <= length).astype(jnp.int32)[None, :],
          targets.shape,
      )
    logits = model.network.apply(
        {'params': params},
        inputs,
        targets,
        decoder_causal_attention=causal,
        enable_dropout=False,
    )
    scores.append(_item_scores(logits, targets))
  _expected(result, np.array(scores))


def test_encoder_decoder_recommends_the_items_of_highest_likelihood():
  model = EncoderDecoderModel(
      T5Config(num_encoder_layers=2, num_decoder_layers=2, **_SIZES)
  )
  inputs = jnp.array([[3, 10, 15, 4, 9, 14], [5, 11, 16, 0, 0, 0]])
  batch = {
      'encoder_input_tokens': inputs,
      'decoder_input_tokens': jax.ShapeDtypeStruct((2, 3), jnp.int32),
  }
  params = _scale(model.init(jax.random.key(0), batch)['params'])
  result = jax.jit(model.recommend, static_argnums=3)(
      params,
      {'encoder_input_tokens': inputs},
      build_constraint_index(_SIDS),
      len(_SIDS),
  )
  targets = jnp.array(_SIDS)
  scores = [
      _item_scores(
          model.network.apply(
              {'params': params},
              jnp.repeat(row[None], len(_SIDS), axis=0),
              jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1],
              targets,
              enable_dropout=False,
          ),
          targets,
      )
      for row in inputs
  ]
  _expected(result, np.array(scores))


def test_loss_is_that_of_the_logits_and_dropout_follows_the_key():
  model = DecoderOnlyModel(TransformerConfig(num_layers=1, **_SIZES))
  targets = jax.random.randint(jax.random.key(1), (2, 6), 1, 24)
  batch = {
      'decoder_input_tokens': jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1],
      'decoder_target_tokens': targets,
  }
  params = model.init(jax.random.key(0), batch)['params']
  loss_fn = jax.jit(model.loss_fn)
  loss, sums = loss_fn(params, batch, None)
  logits = model.network.apply(
      {'params': params},
      batch['decoder_input_tokens'],
      targets,
      enable_dropout=False,
  )
  expected = losses.weighted_sums(logits, targets, None)[0]
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert float(sums['loss'][1]) == 12
  dropped = [loss_fn(params, batch, jax.random.key(s))[0] for s in (1, 1, 2)]
  assert dropped[0] == dropped[1] != dropped[2]


@pytest.mark.parametrize('network', list(_NETWORKS))
def test_models_survive_the_way_to_json_and_back(network):
  model = DecoderOnlyModel(_NETWORKS[network], z_loss=0.5)
  values = json.loads(json.dumps(saved.to_json(model)))
  assert saved.from_json(values) == model
  assert saved.kind(model) == values['kind'] == 'decoder_only'
  # What earlier versions wrote names no network.
  assert ('network' in values) is (network == 'gemma')


def test_gemma_asks_for_the_flops_of_its_matrices():
  config = GemmaConfig(
      vocab_size=10,
      emb_dim=2,
      num_heads=4,
      num_kv_heads=1,
      head_dim=3,
      mlp_dim=5,
      num_layers=7,
  )
  # Queries and outputs of 4 heads, keys and values of 1; three MLP matrices.
  layer = 2 * (2 * 2 * 12 + 2 * 2 * 3 + 3 * 2 * 5) + 4 * 12
  expected = 7 * layer + 2 * 2 * 10
  assert (
      flops.forward(config, batch_size=1, encoder_length=0, decoder_length=1)
      == expected
  )
