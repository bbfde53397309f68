# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders for transformers: read back, and tokenized like SentencePiece."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest
import sentencepiece
import tokenizers

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.pretrained import finding
from plum_jax.pretrained import hugging_face_names
from plum_jax.pretrained import hugging_face_tokenizer
from plum_jax.pretrained import hugging_face_writer
from plum_jax.vocabulary import text_model

_TEXTS = [
    'The movie is about dogs.',
    'I like <extra_id_0> sandwiches and <extra_id_7> films',
    '  double  spaces (1995) ',
    'liked <sid_1_1><sid_2_12> and <sid_1_11>',
    '<sid_1_1><sid_2_1><sid_1_0>',
    'seen<sid_2_10>twice, rated <five>.',
    'a<extra_id_5>b, <sid_1_15>.',
    'Ängström ½ 東京',
    '<sid_1_16> is no token, <sid_1_1 is none',
    '',
]
_T5_IDS = pathlib.Path(__file__).parent / 'testdata' / 't5_ids.json'


def _extended(base):
  return text_model.extend(
      base, extra_ids=100, level_sizes=(16, 13), custom_tokens=['<five>']
  )


@pytest.fixture(scope='module')
def trained():
  return _extended(text_model.train(_TEXTS * 3, 400))


@pytest.fixture(
    params=['trained', pytest.param('t5', marks=pytest.mark.shared_data)]
)
def model(request, trained):
  if request.param == 'trained':
    return trained
  shared_data = request.getfixturevalue('shared_data')
  return _extended(text_model.read(shared_data / 't5' / 'spiece.model'))


def test_tokenizer_gives_the_ids_of_sentencepiece(model, tmp_path):
  hugging_face_tokenizer.write(tmp_path, model)
  made = tokenizers.Tokenizer.from_file(str(tmp_path / 'tokenizer.json'))
  processor = sentencepiece.SentencePieceProcessor(
      str(tmp_path / 'spiece.model')
  )
  for text in _TEXTS:
    ids = processor.encode(text)
    assert made.encode(text).ids == [*ids, 1], text
    if processor.unk_id() not in ids:
      assert made.decode(ids).strip() == processor.decode(ids)
  assert made.get_vocab_size() == processor.get_piece_size()
  config = json.loads((tmp_path / 'tokenizer_config.json').read_text())
  assert (config['tokenizer_class'], config['extra_ids']) == ('T5Tokenizer', 0)


@pytest.mark.shared_data
def test_text_and_sentinels_have_the_ids_of_t5s_own_tokenizer(shared_data):
  model = _extended(text_model.read(shared_data / 't5' / 'spiece.model'))
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(model)
  made = hugging_face_tokenizer.make(model)
  expected = json.loads(_T5_IDS.read_text('utf-8'))
  assert len(expected) == 105
  for text, ids in expected.items():
    assert [*processor.encode(text), 1] == ids
    assert made.encode(text).ids == ids


def test_special_ids_are_those_of_the_model():
  model = text_model.train(['red film', 'blue film'] * 9, 120)
  assert hugging_face_tokenizer.special_ids(model) == {
      'pad': 0,
      'eos': 1,
      'unk': 2,
  }


@pytest.mark.parametrize('kind', ['t5_1_0', 't5_1_1'])
@pytest.mark.parametrize('max_file_bytes', [4_000, 10**9])
def test_what_is_written_reads_back_the_same(
    hugging_face, tmp_path, trained, kind, max_file_bytes
):
  found = finding.find(hugging_face / kind)
  params = trees.nest(found.read(found.arrays))
  folder = tmp_path / 'written'
  folder.mkdir()
  hugging_face_writer.write(
      folder, params, found.config, trained, max_file_bytes=max_file_bytes
  )
  files = list(folder.glob('*.safetensors'))
  assert (len(files) > 1) is (max_file_bytes == 4_000)
  # Names and shapes are those that transformers wrote.
  again = finding.find(folder)
  assert again.config == found.config
  assert again.sentencepiece == trained
  jax.tree.map(
      np.testing.assert_array_equal,
      again.read(again.arrays),
      found.read(found.arrays),
  )
  wrote = json.loads((folder / 'config.json').read_text())
  theirs = json.loads((hugging_face / kind / 'config.json').read_text())
  # Version 4 reads here what version 5 reads in scale_decoder_outputs.
  assert wrote.pop('tie_word_embeddings') is (kind == 't5_1_0')
  del wrote['torch_dtype']
  assert wrote == {name: theirs[name] for name in wrote}


def test_bfloat16_halves_the_weights(hugging_face, tmp_path, trained):
  found = finding.find(hugging_face / 't5_1_0')
  params = found.read(found.arrays)
  hugging_face_writer.write(
      tmp_path, trees.nest(params), found.config, trained, dtype='bfloat16'
  )
  again = finding.find(tmp_path)
  for name, array in again.read(again.arrays).items():
    np.testing.assert_array_equal(array, params[name].astype('bfloat16'))


def test_a_deeper_decoder_is_warned_of(hugging_face, tmp_path, trained, caplog):
  found = finding.find(hugging_face / 't5_1_0')
  config = dataclasses.replace(found.config, num_encoder_layers=0)
  arrays = {
      name: array
      for name, array in found.read(found.arrays).items()
      if not name.startswith('encoder/layers_')
  }
  hugging_face_writer.write(tmp_path, trees.nest(arrays), config, trained)
  assert 'use_cache=False' in caplog.text


def test_a_decoder_only_model_is_refused(tmp_path, trained):
  config = TransformerConfig(vocab_size=128)
  with pytest.raises(InputError, match='decoder-only'):
    hugging_face_writer.write(tmp_path, {}, config, trained)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'mlp_activations': ('tanh',)}, 'no MLP with'),
        ({'dtype': 'float8'}, 'cannot be written as float8'),
    ],
)
def test_what_transformers_lacks_is_refused(
    tmp_path, trained, changes, message
):
  dtype = changes.pop('dtype', 'float32')
  config = dataclasses.replace(T5Config(vocab_size=128), **changes)
  with pytest.raises(InputError, match=message):
    hugging_face_writer.write(tmp_path, {}, config, trained, dtype=dtype)


def test_every_tensor_has_one_parameter():
  names = hugging_face_names.tensors(
      T5Config(vocab_size=128, mlp_activations=('gelu', 'linear'))
  )
  theirs = [tensor.name for tensor in names.values()]
  assert len(set(theirs)) == len(theirs)
