# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that T5X wrote, and what T5X computes of them."""

import shutil

from flax import serialization
import jax
import numpy as np
import pytest

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.pretrained import finding
from plum_jax.pretrained import network_shape
from plum_jax.pretrained import t5x_legacy
from plum_jax.sharding import mesh as meshes

_SIZES = {
    'vocab_size': 128,
    'emb_dim': 4,
    'num_heads': 2,
    'head_dim': 2,
    'mlp_dim': 6,
    'mlp_activations': ('gelu', 'linear'),
}
_ENCODER_DECODER = T5Config(
    num_encoder_layers=2, num_decoder_layers=1, **_SIZES
)
_DECODER_ONLY = TransformerConfig(
    num_layers=2, logits_via_embedding=True, **_SIZES
)
_FORMS = [
    ('legacy', _ENCODER_DECODER, 'logits'),
    ('decoder_only', _DECODER_ONLY, 'decoder_only_logits'),
]


def _read(path):
  found = finding.find(path)
  return found, found.read(found.arrays)


@pytest.mark.parametrize(('name', 'config', 'logits'), _FORMS)
def test_logits_are_those_of_t5x(t5x, apply, name, config, logits):
  found, params = _read(t5x / name / 'checkpoint_3')
  made = network_shape.network_config(found.arrays, found.path)
  assert made == config
  golden = np.load(t5x / 'golden.npz')
  targets = golden['targets']
  found = apply(made, trees.nest(params), golden['inputs'], targets, targets)
  np.testing.assert_allclose(found, golden[logits], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ('legacy', 'orbax'),
    [('legacy', 'orbax'), ('legacy_decoder_only', 'decoder_only')],
)
def test_both_forms_hold_the_same(t5x, legacy, orbax):
  _, one = _read(t5x / legacy / 'checkpoint_3')
  _, other = _read(t5x / orbax / 'checkpoint_3')
  jax.tree.map(np.testing.assert_array_equal, one, other)


def test_bfloat16_is_read_as_float32(t5x):
  found, _ = _read(t5x / 'legacy_bfloat16' / 'checkpoint_3')
  _, exact = _read(t5x / 'legacy' / 'checkpoint_3')
  assert {x.dtype for x in found.arrays.values()} == {np.dtype('bfloat16')}
  params = found.read(
      {
          name: jax.ShapeDtypeStruct(x.shape, np.float32)
          for name, x in found.arrays.items()
      }
  )
  for name, array in params.items():
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, exact[name].astype('bfloat16'))


@pytest.mark.parametrize('name', ['legacy', 'orbax'])
def test_arrays_are_placed_on_a_mesh(t5x, name):
  found, whole = _read(t5x / name / 'checkpoint_3')
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  table = 'token_embedder/embedding'
  spec = jax.sharding.PartitionSpec('tensor', 'fsdp')
  wanted = jax.ShapeDtypeStruct(
      (128, 4),
      np.dtype('bfloat16'),
      sharding=jax.sharding.NamedSharding(mesh, spec),
  )
  placed = found.read({table: wanted})[table]
  assert placed.sharding == wanted.sharding
  assert placed.dtype == np.dtype('bfloat16')
  np.testing.assert_array_equal(
      np.asarray(placed), whole[table].astype('bfloat16')
  )


def test_the_last_of_several_checkpoints_is_taken(t5x, tmp_path, caplog):
  for step in (3, 20, 100):
    shutil.copytree(
        t5x / 'legacy' / 'checkpoint_3', tmp_path / f'checkpoint_{step}'
    )
  with caplog.at_level('INFO', 'plum_jax'):
    found = finding.find(tmp_path)
  assert found.path == str(tmp_path / 'checkpoint_100')
  assert any("T5X's legacy form" in message for message in caplog.messages)


def test_scanned_layers_are_refused(t5x):
  with pytest.raises(InputError, match='stacked') as caught:
    finding.find(t5x / 'scanned' / 'checkpoint_3')
  assert 'encoder/encoder/' in caught.value.where or 'decoder/decoder/' in (
      caught.value.where
  )


def test_a_position_bias_in_each_layer_is_refused(t5x):
  found = finding.find(t5x / 'legacy' / 'checkpoint_3')
  name = 'encoder/layers_0/relpos_bias/rel_embedding'
  arrays = {**found.arrays, name: jax.ShapeDtypeStruct((2, 32), np.float32)}
  with pytest.raises(InputError, match='position bias of its own'):
    network_shape.check_is_ours(arrays, 'here')


@pytest.fixture
def legacy(t5x, tmp_path):
  return shutil.copytree(
      t5x / 'legacy' / 'checkpoint_3', tmp_path / 'checkpoint_3'
  )


def _rewrite(folder, change):
  """Changes the description of the embedding in the msgpack file."""
  path = folder / 'checkpoint'
  state = serialization.msgpack_restore(path.read_bytes())
  table = state['optimizer']['target']['token_embedder']
  table['embedding'] = change(table['embedding'])
  path.write_bytes(serialization.msgpack_serialize(state))


def _old_specification(leaf):
  path = leaf['kvstore'].pop('path')
  del leaf['dtype']
  leaf['metadata']['dtype'] = '<f4'
  return {**leaf, 'path': path, 'kvstore': {'driver': 'gfile'}}


def _on_cloud_storage(leaf):
  leaf['kvstore'] |= {'driver': 'gcs', 'bucket': 't5x-dummy-bucket'}
  return leaf


@pytest.mark.parametrize('change', [_old_specification, _on_cloud_storage])
def test_other_writings_of_a_zarr_array_are_read(legacy, change):
  _, before = _read(legacy)
  _rewrite(legacy, change)
  _, after = _read(legacy)
  jax.tree.map(np.testing.assert_array_equal, after, before)


def test_arrays_within_the_msgpack_file_are_read(legacy):
  _, before = _read(legacy)
  table = before['token_embedder/embedding']
  _rewrite(legacy, lambda _: table + 1)
  shutil.rmtree(legacy / 'target.token_embedder.embedding')
  _, after = _read(legacy)
  np.testing.assert_array_equal(after['token_embedder/embedding'], table + 1)


def test_a_lost_zarr_array_is_named(legacy):
  shutil.rmtree(legacy / 'target.token_embedder.embedding')
  with pytest.raises(InputError, match='cannot be read') as caught:
    _read(legacy)
  assert 'token_embedder/embedding' in caught.value.where


@pytest.mark.parametrize(
    ('contents', 'message'),
    [
        (b'model_checkpoint_path: "model.ckpt-0"', 'one of TensorFlow'),
        (b'\x93\x01', 'cannot be read'),
        (serialization.msgpack_serialize({'params': {}}), 'cannot be read'),
        (
            serialization.msgpack_serialize(
                {'target': {'decoder': {'a': 'PLACEHOLDER://a'}}}
            ),
            'PLACEHOLDER',
        ),
    ],
)
def test_other_files_named_checkpoint_are_refused(legacy, contents, message):
  (legacy / 'checkpoint').write_bytes(contents)
  with pytest.raises(InputError, match=message):
    finding.find(legacy)


def test_content_hash_leaves_the_optimizer_out(legacy):
  before = finding.find(legacy).content_hash()
  state = next(legacy.glob('state.param_states.*'))
  shutil.rmtree(state)
  assert finding.find(legacy).content_hash() == before
  _rewrite(legacy, lambda leaf: {**leaf})
  chunk = legacy / 'target.token_embedder.embedding' / '0.0'
  chunk.write_bytes(chunk.read_bytes() + b'x')
  assert finding.find(legacy).content_hash() != before


def test_a_damaged_orbax_state_is_refused(t5x, tmp_path):
  folder = shutil.copytree(t5x / 'orbax' / 'checkpoint_3', tmp_path / 'c')
  (folder / 'state' / '_METADATA').write_text('{')
  with pytest.raises(InputError, match='cannot be read') as caught:
    finding.find(folder)
  assert 'training goes on' not in caught.value.fix


def test_cloud_storage_is_addressed_by_bucket_and_path():
  assert t5x_legacy.kvstore('gs://bucket/a/b/') == {
      'driver': 'gcs',
      'bucket': 'bucket',
      'path': 'a/b/',
  }


def test_find_says_what_is_there_instead(tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    finding.find(tmp_path / 'nothing')
  (tmp_path / 'file').write_text('')
  with pytest.raises(InputError, match='is no folder'):
    finding.find(tmp_path / 'file')
  with pytest.raises(InputError, match='holds no checkpoint, but file'):
    finding.find(tmp_path)
  with pytest.raises(InputError, match='storage is not known'):
    finding.find('s3://bucket/checkpoint_1')
