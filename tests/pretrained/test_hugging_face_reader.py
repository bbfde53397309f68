# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders that transformers wrote, and what transformers computes of them."""

import json

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import hugging_face_reader
from plum_jax.sharding import mesh as meshes

_KINDS = ('t5_1_0', 't5_1_1')
P = jax.sharding.PartitionSpec


def _read(folder):
  found = hugging_face_reader.open_folder(folder)
  return found.config, trees.nest(found.read(found.arrays))


def _change_config(folder, **changes):
  path = folder / 'config.json'
  values = json.loads(path.read_text())
  path.write_text(json.dumps(values | changes))


def _change_weights(folder, change):
  path = folder / 'model.safetensors'
  tensors = safetensors_numpy.load_file(path)
  change(tensors)
  safetensors_numpy.save_file(tensors, path)


@pytest.mark.parametrize('kind', _KINDS)
def test_logits_are_those_of_transformers(
    hugging_face, hugging_face_golden, apply, kind
):
  golden = hugging_face_golden
  config, params = _read(hugging_face / kind)
  assert config.logits_via_embedding is (kind == 't5_1_0')
  logits = apply(config, params, golden['inputs'], golden['targets'])
  expected = golden[f'{kind}_logits']
  assert np.abs(expected).max() > 1
  np.testing.assert_allclose(logits[:, ::8], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('kind', _KINDS)
def test_greedy_continuations_are_those_of_transformers(
    hugging_face, hugging_face_golden, apply, kind
):
  config, params = _read(hugging_face / kind)
  expected = hugging_face_golden[f'{kind}_greedy']
  # Teacher forcing: what is most probable after each prefix comes next.
  targets = expected[:, 1:]
  logits = apply(config, params, hugging_face_golden['inputs'], targets)
  np.testing.assert_array_equal(np.argmax(logits, axis=-1), targets)


def test_files_of_older_versions_read_the_same(hugging_face):
  folder = hugging_face / 't5_1_0'
  config, params = _read(folder)
  values = json.loads((folder / 'config.json').read_text())
  for name in ('scale_decoder_outputs', 'tie_word_embeddings', 'dense_act_fn'):
    del values[name]
  (folder / 'config.json').write_text(json.dumps(values))

  def change(tensors):
    table = tensors.pop('shared.weight')
    for name in ('encoder.embed_tokens.weight', 'lm_head.weight'):
      tensors[name] = table
    name = 'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias'
    tensors[f'{name}.weight'] = np.ones((32, 2), np.float32)

  _change_weights(folder, change)
  other_config, other = _read(folder)
  assert other_config == config
  jax.tree.map(np.testing.assert_array_equal, other, params)


def test_arrays_are_cast_and_placed_on_a_mesh(hugging_face):
  found = hugging_face_reader.open_folder(hugging_face / 't5_1_1')
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  specs = {
      'token_embedder/embedding': P('tensor', 'fsdp'),
      'decoder/logits_dense/kernel': P('fsdp', 'tensor'),
      'encoder/layers_1/mlp/wi_1/kernel': P(None, 'tensor'),
      'decoder/decoder_norm/scale': P(),
  }
  placed = found.read(
      {
          name: jax.ShapeDtypeStruct(
              found.arrays[name].shape,
              np.dtype('bfloat16'),
              sharding=jax.sharding.NamedSharding(mesh, spec),
          )
          for name, spec in specs.items()
      }
  )
  whole = found.read({name: found.arrays[name] for name in specs})
  for name, spec in specs.items():
    assert placed[name].sharding.spec == spec
    assert placed[name].dtype == np.dtype('bfloat16')
    np.testing.assert_array_equal(
        np.asarray(placed[name]), whole[name].astype('bfloat16')
    )


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model_type': 'mt0'}, "model_type='mt0'"),
        ({'feed_forward_proj': 'gelu'}, "feed_forward_proj='gelu'"),
        ({'layer_norm_epsilon': 1e-5}, 'layer_norm_epsilon=1e-05'),
        ({'num_layers': 3}, 'encoder.block.2.layer.0.SelfAttention.k.weight'),
        ({'num_layers': 1}, 'have no place in the network'),
        ({'d_ff': 13}, 'DenseReluDense.wi.weight has shape'),
        ({'vocab_size': 64}, 'shared.weight has shape'),
        ({'num_heads': 'two'}, 'sizes of the network cannot be read'),
    ],
)
def test_other_configurations_are_refused(hugging_face, changes, message):
  folder = hugging_face / 't5_1_0'
  _change_config(folder, **changes)
  with pytest.raises(InputError, match=message):
    hugging_face_reader.open_folder(folder)


def test_a_tied_table_that_is_not_tied_is_refused(hugging_face):
  folder = hugging_face / 't5_1_0'

  def change(tensors):
    tensors['lm_head.weight'] = tensors['shared.weight'] + 1

  _change_weights(folder, change)
  with pytest.raises(InputError, match='lm_head.weight is not the table'):
    hugging_face_reader.open_folder(folder)


def test_nan_is_refused_and_its_tensor_named(hugging_face):
  folder = hugging_face / 't5_1_0'

  def change(tensors):
    tensors['shared.weight'][3, 4] = np.nan

  _change_weights(folder, change)
  with pytest.raises(InputError) as caught:
    _read(folder)
  assert 'shared.weight' in caught.value.where


@pytest.mark.parametrize(
    ('break_it', 'message'),
    [
        (lambda folder: (folder / 'config.json').write_text('['), 'cannot be'),
        (
            lambda folder: (folder / 'model.safetensors').write_bytes(b'short'),
            'weights cannot be read',
        ),
        (
            lambda folder: (folder / 'model.safetensors').unlink(),
            'no weights as safetensors',
        ),
    ],
)
def test_broken_folders_are_refused(hugging_face, break_it, message):
  folder = hugging_face / 't5_1_0'
  break_it(folder)
  with pytest.raises(InputError, match=message):
    hugging_face_reader.open_folder(folder)


def test_a_missing_file_of_several_is_named(hugging_face):
  folder = hugging_face / 't5_1_1'
  (folder / 'model-00002-of-00003.safetensors').unlink()
  with pytest.raises(InputError, match='model-00002-of-00003'):
    hugging_face_reader.open_folder(folder)


def test_content_hash_is_that_of_config_and_weights(hugging_face):
  folder = hugging_face / 't5_1_1'
  before = hugging_face_reader.open_folder(folder).content_hash()
  (folder / 'README.md').write_text('a page')
  assert hugging_face_reader.open_folder(folder).content_hash() == before
  _change_config(folder, dropout_rate=0.2)
  assert hugging_face_reader.open_folder(folder).content_hash() != before
