# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import copy
import time

import numpy as np
import pytest
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.vocabulary import build
from plum_jax.vocabulary import layout
from plum_jax.vocabulary import text_model
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

_PLAIN = [
    'The movie is about dogs.',
    'I like <extra_id_0> sandwiches and <extra_id_99> films',
    '  double  spaces (1995)',
]
_MIXED = [
    'liked <sid_1_1><sid_2_12> and <sid_1_11>',
    '<sid_1_1><sid_2_1><sid_1_0>',
    'seen<sid_2_10>twice, rated <five>.',
]
_TEXT = _PLAIN + _MIXED + [f'Film {i} and ({i})' for i in range(1900, 1960)]


def _write(folder, base, levels, custom=()):
  folder.mkdir()
  made = layout.VocabularyLayout(
      text_model.num_pieces(base), 100, levels, custom, 'hash'
  )
  build.write(folder, base, made)
  return SemanticIdVocabulary(folder)


def _t5(shared_data):
  return shared_data / 't5' / 'spiece.model'


@pytest.fixture(
    params=['trained', pytest.param('t5', marks=pytest.mark.shared_data)]
)
def base_file(request, tmp_path):
  if request.param == 't5':
    return _t5(request.getfixturevalue('shared_data'))
  file = tmp_path / 'base.model'
  file.write_bytes(text_model.train(_TEXT, 400))
  return file


@pytest.fixture
def vocabulary(base_file, tmp_path):
  base = text_model.read(base_file)
  return _write(tmp_path / 'vocabulary', base, (16, 13), ('<five>',))


def test_text_keeps_the_numbers_that_seqio_gives_it(vocabulary, base_file):
  reference = seqio.SentencePieceVocabulary(str(base_file), extra_ids=100)
  for text in _PLAIN:
    expected = reference.encode(text)
    assert vocabulary.encode(text) == expected
    assert vocabulary.encode_tf(tf.constant(text)).numpy().tolist() == expected
    assert vocabulary.decode(expected) == reference.decode(expected)
  assert vocabulary.layout.sid_first_id == reference.vocab_size


def test_sids_amid_text_survive_the_way_there_and_back(vocabulary):
  plain = seqio.SentencePieceVocabulary(vocabulary.sentencepiece_model_file)
  for text in _MIXED:
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert vocabulary.encode_tf(tf.constant(text)).numpy().tolist() == ids
    decoded = vocabulary.decode_tf(tf.constant(ids)).numpy().decode()
    assert decoded == text
    assert plain.encode(text) == ids
  tokens = vocabulary.sid_tokens
  ids = np.array(vocabulary.encode(_MIXED[0]))
  is_sid = tokens.level_of(ids) > 0
  first = vocabulary.layout.sid_first_id
  assert ids[is_sid].tolist() == [first + 1, first + 16 + 12, first + 11]


def test_every_code_has_the_id_that_sid_tokens_say(vocabulary):
  tokens = vocabulary.sid_tokens
  codes = np.stack([np.arange(13), np.arange(13)], axis=1)
  text = ''.join(f'<sid_1_{a}><sid_2_{b}>' for a, b in codes)
  ids = [i for i in vocabulary.encode(text) if tokens.level_of(i) > 0]
  assert ids == tokens.token_ids(codes).ravel().tolist()


def test_sizes_and_special_ids(vocabulary):
  assert (vocabulary.pad_id, vocabulary.eos_id, vocabulary.unk_id) == (0, 1, 2)
  assert vocabulary.vocab_size == vocabulary.layout.vocab_size
  assert vocabulary.encode('<five>')[-1] == vocabulary.layout.custom_first_id
  assert vocabulary.padded_vocab_size % 128 == 0
  # Ids of padding rows are no pieces.
  padding = vocabulary.padded_vocab_size - 1
  assert vocabulary.decode([padding]) == vocabulary.decode([2])


def test_copies_are_equal_and_other_layouts_are_not(vocabulary, tmp_path):
  vocabulary.load_model()
  assert copy.deepcopy(vocabulary) == vocabulary
  other = _write(tmp_path / 'other', text_model.train(_TEXT, 400), (16, 14))
  assert other != vocabulary


@pytest.mark.shared_data
def test_t5_sentinels_have_t5s_numbers(shared_data, tmp_path):
  base = text_model.read(_t5(shared_data))
  vocabulary = _write(tmp_path / 'vocabulary', base, (4,))
  assert vocabulary.encode('<extra_id_0>') == [32_099]
  assert vocabulary.encode('<extra_id_99>') == [32_000]
  assert vocabulary.sid_tokens.first_id == 32_100


def test_text_with_sids_is_tokenized_fast_with_16000_sid_tokens(tmp_path):
  base = text_model.train(_TEXT, 400)
  vocabulary = _write(tmp_path / 'vocabulary', base, (4_096,) * 4)
  rng = np.random.default_rng(0)
  text = 'watched ' + ''.join(
      f'<sid_{level}_{rng.integers(4_096)}>'
      for _ in range(1_000)
      for level in (1, 2, 3, 4)
  )
  vocabulary.load_model()
  begun = time.process_time()
  ids = vocabulary.encode(text)
  # Measured: 0.6 microseconds a token; a search through all pieces would take
  # a thousand times as long.
  assert time.process_time() - begun < 0.2
  assert len(ids) >= 4_001


def test_a_vocabulary_is_read_anew_after_its_folder_was_rebuilt(tmp_path):
  base = text_model.train(_TEXT, 400)
  first = _write(tmp_path / 'vocabulary', base, (4,))
  assert first.vocab_size == first.layout.vocab_size
  (tmp_path / 'vocabulary').rename(tmp_path / 'old')
  second = _write(tmp_path / 'vocabulary', base, (9,))
  assert second.vocab_size == second.layout.vocab_size


def test_vocabulary_refuses_a_folder_without_one(tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    SemanticIdVocabulary(tmp_path)
  (tmp_path / layout.LAYOUT_FILE).write_text('{"base_size": 3}')
  with pytest.raises(InputError, match='cannot be read'):
    SemanticIdVocabulary(tmp_path)
