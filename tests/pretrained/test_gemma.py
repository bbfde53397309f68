# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A Gemma 3 that transformers and gguf wrote, and what the former computes."""

import json
import pathlib
import shutil
import sys

import jax
import numpy as np
import pytest
import sentencepiece

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import GemmaConfig
from plum_jax.pretrained import finding
from plum_jax.pretrained import gemma_config
from plum_jax.pretrained import gguf_tokenizer
from plum_jax.sharding import mesh as meshes

_TESTDATA = pathlib.Path(__file__).parent / 'testdata' / 'gemma'
_FORMS = {'hugging_face': 'hugging_face', 'gguf': 'tiny.gguf'}
_EMBEDDING = 'decoder/token_embedder/embedding'
_CONFIG = GemmaConfig(
    vocab_size=320,
    emb_dim=32,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    mlp_dim=64,
    num_layers=4,
    sliding_window=5,
    global_every=3,
    query_pre_attn_scalar=8.0,
)
P = jax.sharding.PartitionSpec


@pytest.fixture(scope='module')
def golden():
  return np.load(_TESTDATA / 'golden.npz')


@pytest.fixture
def folder(tmp_path):
  """A copy of the Hugging Face folder, to be changed."""
  return pathlib.Path(
      shutil.copytree(_TESTDATA / 'hugging_face', tmp_path / 'hugging_face')
  )


@pytest.mark.parametrize('form', _FORMS)
def test_logits_and_greedy_output_are_those_of_transformers(
    form, golden, apply
):
  if form == 'gguf':
    pytest.importorskip('gguf')
  found = finding.find(_TESTDATA / _FORMS[form])
  assert found.config == _CONFIG
  params = trees.nest(found.read(found.arrays))
  prefix = 'gguf_' if form == 'gguf' else ''
  # Inputs are the targets shifted, with 0 where the text begins.
  logits = apply(found.config, params, None, golden['tokens'][:, 1:])
  expected = golden[f'{prefix}logits']
  assert np.abs(expected).max() > 5
  np.testing.assert_allclose(logits[:, ::4], expected, atol=1e-4, rtol=1e-4)
  greedy = golden[f'{prefix}greedy']
  logits = apply(found.config, params, None, greedy[:, 1:])
  np.testing.assert_array_equal(np.argmax(logits[:, 7:], -1), greedy[:, 8:])


def test_quantized_tensors_are_read_onto_a_mesh():
  pytest.importorskip('gguf')
  found = finding.find(_TESTDATA / 'tiny.gguf')
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  specs = {
      _EMBEDDING: P('tensor', 'fsdp'),
      'decoder/layers_1/mlp/wi_1/kernel': P('fsdp', 'tensor'),
      'decoder/layers_3/self_attention/key/kernel': P('fsdp', None),
      'decoder/decoder_norm/scale': P('fsdp'),
  }
  placed = found.read(
      {
          name: jax.ShapeDtypeStruct(
              found.arrays[name].shape,
              np.dtype('float32'),
              sharding=jax.sharding.NamedSharding(mesh, spec),
          )
          for name, spec in specs.items()
      }
  )
  whole = found.read({name: found.arrays[name] for name in specs})
  for name, spec in specs.items():
    assert placed[name].sharding.spec == spec
    np.testing.assert_array_equal(np.asarray(placed[name]), whole[name])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model_type': 'gemma3'}, "model_type='gemma3'"),
        ({'hidden_activation': 'silu'}, "hidden_activation='silu'"),
        ({'final_logit_softcapping': 30.0}, 'final_logit_softcapping=30.0'),
        ({'use_bidirectional_attention': True}, 'use_bidirectional_attention'),
        ({'tie_word_embeddings': False}, 'tie_word_embeddings=False'),
        ({'rms_norm_eps': 1e-5}, 'rms_norm_eps=1e-05'),
        ({'layer_types': ['full_attention', 'sliding_attention'] * 2}, 'layer'),
        (
            {'rope_parameters': {'full_attention': {'rope_type': 'linear'}}},
            'rope_parameters=',
        ),
        ({'num_hidden_layers': 3}, 'have no place in the network'),
        ({'head_dim': 4}, 'q_proj.weight has shape'),
        ({'num_key_value_heads': 3}, 'sizes of the network'),
    ],
)
def test_other_networks_are_refused(folder, changes, message):
  path = folder / 'config.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))
  with pytest.raises(InputError, match=message):
    finding.find(folder)


def test_configurations_of_version_4_read_the_same(folder):
  values = json.loads((folder / 'config.json').read_text())
  expected = gemma_config.from_hugging_face(values, '')
  for name in ('rope_parameters', 'layer_types', '_sliding_window_pattern'):
    del values[name]
  values |= {
      'rope_theta': 1e6,
      'rope_local_base_freq': 1e4,
      'sliding_window_pattern': 3,
  }
  assert gemma_config.from_hugging_face(values, '') == expected == _CONFIG


def test_the_tokenizer_of_a_gguf_file_is_a_sentencepiece_model():
  pytest.importorskip('gguf')
  model = finding.find(_TESTDATA / 'tiny.gguf').sentencepiece
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(model)
  assert processor.vocab_size() == 320
  special = ('pad_id', 'eos_id', 'bos_id', 'unk_id')
  assert [getattr(processor, name)() for name in special] == [0, 1, 2, 3]
  text = 'the end\nof   thé and'
  # Merges, a user-defined newline and run of spaces, and bytes.
  assert processor.encode(text, out_type=str) == [
      *('the', '▁', 'e', 'n', 'd', '\n', 'o', 'f', '▁▁▁'),
      *('th', '<0xC3>', '<0xA9>', '▁and'),
  ]
  assert processor.decode(processor.encode(text)) == text


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'tokenizer.ggml.model': 'gpt2'}, "kind is 'gpt2'"),
        ({'tokenizer.ggml.scores': [0.0]}, 'ValueError'),
        ({'tokenizer.ggml.unknown_token_id': 7}, 'IndexError'),
    ],
)
def test_other_tokenizers_are_refused(changes, message):
  fields = {
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': ['<pad>', 'a'],
      'tokenizer.ggml.scores': [0.0, 0.0],
      'tokenizer.ggml.token_type': [3, 1],
      **{
          f'tokenizer.ggml.{name}_token_id': 0
          for name in ('padding', 'eos', 'bos', 'unknown')
      },
  }
  assert gguf_tokenizer.sentencepiece_model(fields, '')
  with pytest.raises(InputError, match=message):
    gguf_tokenizer.sentencepiece_model(fields | changes, '')


def test_other_gguf_files_are_refused(tmp_path):
  pytest.importorskip('gguf')
  path = tmp_path / 'model.gguf'
  contents = (_TESTDATA / 'tiny.gguf').read_bytes()
  path.write_bytes(contents.replace(b'gemma3', b'gemma2'))
  with pytest.raises(InputError, match="general.architecture='gemma2'"):
    finding.find(path)
  path.write_bytes(contents.replace(b'blk.3.ffn_up', b'blk.3.ffn_uq'))
  with pytest.raises(InputError, match=r'blk\.3\.ffn_up\.weight'):
    finding.find(path)
  path.write_bytes(contents[:20])
  with pytest.raises(InputError, match='cannot be read'):
    finding.find(path)
  path.write_bytes(b'not a file of this kind')
  with pytest.raises(InputError, match='cannot be read'):
    finding.find(path)


def test_a_file_has_a_content_hash_of_its_own(tmp_path):
  pytest.importorskip('gguf')
  path = shutil.copy(_TESTDATA / 'tiny.gguf', tmp_path / 'model.gguf')
  before = finding.find(path).content_hash()
  assert before == finding.find(_TESTDATA / 'tiny.gguf').content_hash()
  contents = bytearray(path.read_bytes())
  contents[-9] ^= 1
  path.write_bytes(contents)
  assert finding.find(path).content_hash() != before


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
  monkeypatch.setitem(sys.modules, 'gguf', None)
  with pytest.raises(InputError, match='package gguf'):
    finding.find(_TESTDATA / 'tiny.gguf')
