# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in the places of a model's parameters, with further rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.models import saved
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.encoder_decoder import Transformer
from plum_jax.pretrained import finding
from plum_jax.pretrained import loading
from plum_jax.pretrained import new_rows
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.scaling import family
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes

_KEPT, _ROWS = 120, 256
_EMBEDDING = 'token_embedder/embedding'
_LOGITS = 'decoder/logits_dense/kernel'


def _variables(config):
  tokens = jnp.zeros((1, 2), jnp.int32)
  network = Transformer(config)
  return jax.eval_shape(
      lambda key: network.init(
          key, tokens, tokens, tokens, enable_dropout=False
      ),
      jax.random.key(0),
  )


@pytest.fixture
def found(hugging_face):
  return finding.find(hugging_face / 't5_1_1')


@pytest.fixture
def growth():
  return loading.Growth(_KEPT, new_rows.MeanNoise(), seed=3)


def _grown_config(found):
  return dataclasses.replace(found.config, vocab_size=_ROWS)


def test_text_rows_stay_to_the_bit_and_all_else_as_it_is(found, growth):
  config = _grown_config(found)
  target = _variables(config)['params']
  params = loading.load(found, target, config=config, growth=growth)
  assert jax.tree.structure(params) == jax.tree.structure(target)
  before, after = found.read(found.arrays), trees.to_flat(params)
  np.testing.assert_array_equal(
      after[_EMBEDDING][:_KEPT], before[_EMBEDDING][:_KEPT]
  )
  np.testing.assert_array_equal(
      after[_LOGITS][:, :_KEPT], before[_LOGITS][:, :_KEPT]
  )
  for name in set(before) - {_EMBEDDING, _LOGITS}:
    np.testing.assert_array_equal(after[name], before[name])


def test_new_rows_have_the_text_rows_spread_and_differ_by_table(found, growth):
  config = _grown_config(found)
  target = _variables(config)['params']
  after = trees.to_flat(loading.load(found, target, growth=growth))
  tables = {_EMBEDDING: after[_EMBEDDING], _LOGITS: after[_LOGITS].T}
  for table in tables.values():
    text, new = table[:_KEPT], table[_KEPT:]
    assert new.shape == (_ROWS - _KEPT, 8)
    np.testing.assert_allclose(new.mean(0), text.mean(0), atol=0.4)
    np.testing.assert_allclose(new.std(0), text.std(0), rtol=0.3)
    assert len(np.unique(new, axis=0)) == len(new)
  noise = [
      (t[_KEPT:] - t[:_KEPT].mean(0)) / t[:_KEPT].std(0)
      for t in tables.values()
  ]
  assert not np.allclose(noise[0], noise[1])
  again = trees.to_flat(loading.load(found, target, growth=growth))
  np.testing.assert_array_equal(again[_EMBEDDING], after[_EMBEDDING])


def test_parameters_come_onto_the_mesh_by_the_rules(found, growth):
  config = _grown_config(found)
  mesh, rules = meshes.make_mesh(2, 2, 2), axis_rules.preset()
  variables = _variables(config)
  shardings = axis_rules.param_shardings(
      variables['params_axes'], variables['params'], mesh, rules
  )
  target = jax.tree.map(
      lambda leaf, sharding: jax.ShapeDtypeStruct(
          leaf.shape, leaf.dtype, sharding=sharding
      ),
      variables['params'],
      shardings,
  )
  params = loading.load(found, target, growth=growth)
  expected = loading.load(found, variables['params'], growth=growth)
  jax.tree.map(np.testing.assert_array_equal, params, expected)
  for name, array in trees.to_flat(params).items():
    assert array.sharding == trees.to_flat(target)[name].sharding


@pytest.mark.parametrize(
    ('changes', 'messages'),
    [
        (
            {'emb_dim': 16},
            ['decoder_norm/scale has shape [8] in', 'and [16] in the model'],
        ),
        ({'num_encoder_layers': 1}, ['encoder/layers_1', 'not in the model']),
        ({'num_decoder_layers': 2}, ['layers_1', 'not in the checkpoint']),
        ({'vocab_size': 256}, ['[8, 128]', '[8, 256]']),
        ({'mlp_activations': ('relu',)}, ['mlp/wi/kernel is not in the ch']),
        (
            {'mlp_activations': ('silu', 'linear')},
            ["mlp_activations is ('gelu', 'linear') in the checkpoint"],
        ),
        ({'max_relpos_distance': 64}, ['max_relpos_distance is 128']),
        ({'logits_via_embedding': True}, ['logits_dense/kernel is not in the']),
    ],
)
def test_another_model_is_refused_and_both_named(found, changes, messages):
  config = dataclasses.replace(found.config, **changes)
  target = _variables(config)['params']
  with pytest.raises(InputError) as caught:
    loading.load(found, target, config=config)
  for message in messages:
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({}, ''),
        # What is no part of the function may change: capacity, losses.
        ({'train_capacity_factor': 0.0, 'balance_loss': 0.5}, ''),
        ({'num_selected': 1}, 'num_selected_experts is 2 in the checkpoint'),
        ({'num_experts': 8}, 'experts/router has shape [16, 4] in the ch'),
    ],
)
def test_experts_are_read_for_as_many_a_token_alone(changes, message):
  config = family.network(
      1, 128, width_per_layer=16, experts=ExpertsConfig(num_experts=4)
  )
  arrays = _decoder_only(config)
  filled = {name: np.ones(x.shape, x.dtype) for name, x in arrays.items()}
  checkpoint = Checkpoint('ours', 'here', arrays, lambda _: filled, config)
  experts = dataclasses.replace(config.experts, **changes)
  other = dataclasses.replace(config, experts=experts)
  target = trees.nest(_decoder_only(other))
  if not message:
    params = loading.load(checkpoint, target, config=other)
    np.testing.assert_array_equal(
        params['decoder']['layers_0']['experts']['wi'], np.ones((4, 16, 32))
    )
    return
  with pytest.raises(InputError) as caught:
    loading.load(checkpoint, target, config=other)
  assert message in str(caught.value)


def _decoder_only(config):
  model = DecoderOnlyModel(config)
  batch = {'decoder_input_tokens': jax.ShapeDtypeStruct((1, 2), jnp.int32)}
  variables = jax.eval_shape(
      lambda key: model.init(key, batch), jax.random.key(0)
  )
  return trees.to_flat(variables['params'])


def test_an_encoder_decoder_is_no_decoder_only_model(found):
  target = {'decoder': {'token_embedder': {'embedding': None}}}
  target = jax.tree.map(
      lambda _: jax.ShapeDtypeStruct((128, 8), np.float32),
      target,
      is_leaf=lambda x: x is None,
  )
  with pytest.raises(InputError, match='is an encoder-decoder, the model dec'):
    loading.load(found, target)


@pytest.fixture
def run_dir(found, tmp_path):
  """A run directory with a finished training."""
  run_dir = tmp_path / 'run'
  (run_dir / 'training').mkdir(parents=True)
  (run_dir / 'vocabulary').mkdir()
  (run_dir / 'vocabulary' / 'vocabulary.model').write_bytes(b'pieces')
  checkpoints.save_params(
      run_dir / 'training' / 'checkpoint',
      trees.nest(found.read(found.arrays)),
      {'model': saved.to_json(EncoderDecoderModel(found.config))},
  )
  manifests.Manifest(
      'training',
      {'vocabulary': manifests.content_hash(run_dir / 'vocabulary')},
      {},
  ).save(run_dir / 'training')
  return run_dir


@pytest.mark.parametrize('below', ['', 'training', 'training/checkpoint'])
def test_own_runs_are_found_with_configuration_and_vocabulary(
    run_dir, found, below
):
  own = finding.find(run_dir / below)
  assert own.form == 'a checkpoint of this project'
  assert own.config == found.config
  assert own.sentencepiece == b'pieces'
  params = loading.load(own, _variables(found.config)['params'])
  jax.tree.map(
      np.testing.assert_array_equal,
      trees.to_flat(params),
      found.read(found.arrays),
  )


def test_a_vocabulary_made_anew_is_not_that_of_the_checkpoint(run_dir):
  recorded = finding.find(run_dir).vocabulary_hash
  (run_dir / 'vocabulary' / 'vocabulary.model').write_bytes(b'others')
  own = finding.find(run_dir)
  assert own.sentencepiece is None
  assert own.vocabulary_hash == recorded


def test_an_unfinished_run_is_read_too(found, tmp_path):
  params = trees.nest(found.read(found.arrays))
  with checkpoints.Checkpoints(tmp_path) as kept:
    kept.save(20, {'step': np.int32(20), 'params': params})
  own = finding.find(tmp_path)
  assert own.path == str(tmp_path / '20')
  assert own.config is None
  read = own.read(own.arrays)
  jax.tree.map(np.testing.assert_array_equal, read, found.read(found.arrays))


def test_a_checkpoint_without_a_decoder_is_refused(tmp_path):
  checkpoints.save_params(tmp_path / 'a', {'item_embedding': np.zeros(3)})
  with pytest.raises(InputError, match='no decoder, but item_embedding'):
    finding.find(tmp_path / 'a')
