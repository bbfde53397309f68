# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pytest
import sentencepiece

from plum_jax.artifacts.errors import InputError
from plum_jax.vocabulary import text_model

_TEXT = [f'The great film number {i} ({1900 + i})' for i in range(50)]


def _processor(model):
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(model)
  return processor


def test_train_follows_t5_and_is_deterministic():
  model = text_model.train(_TEXT, 300)
  assert model == text_model.train(iter(_TEXT), 300)
  processor = _processor(model)
  special = (
      processor.pad_id(),
      processor.eos_id(),
      processor.unk_id(),
      processor.bos_id(),
  )
  assert special == (0, 1, 2, -1)
  assert text_model.num_pieces(model) <= 300


def test_train_knows_ascii_that_the_text_lacks():
  processor = _processor(text_model.train(['abc'], 8_000))
  assert processor.unk_id() not in processor.EncodeAsIds('Zoo; <x> 1+1=2?')


@pytest.mark.parametrize(('text', 'size'), [([], 8_000), (['abc'], 20)])
def test_train_refuses_too_little(text, size):
  with pytest.raises(InputError, match='cannot make a text model'):
    text_model.train(text, size)


def test_read_refuses_what_is_no_model_of_t5s_kind(tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    text_model.read(tmp_path / 'missing.model')
  (tmp_path / 'text.model').write_text('text')
  with pytest.raises(InputError, match='not a SentencePiece model'):
    text_model.read(tmp_path / 'text.model')
  sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(_TEXT),
      model_prefix=str(tmp_path / 'bos'),
      vocab_size=60,
      minloglevel=2,
  )
  with pytest.raises(InputError, match='pads with -1'):
    text_model.read(tmp_path / 'bos.model')


def test_extend_numbers_pieces_in_order():
  base = text_model.train(_TEXT, 200)
  size = text_model.num_pieces(base)
  model = text_model.extend(
      base, extra_ids=2, level_sizes=(2, 1), custom_tokens=['<new>']
  )
  processor = _processor(model)
  added = [
      processor.IdToPiece(i) for i in range(size, processor.GetPieceSize())
  ]
  assert added == [
      '▁<extra_id_1>',
      '▁<extra_id_0>',
      '<sid_1_0>',
      '<sid_1_1>',
      '<sid_2_0>',
      '<new>',
  ]


@pytest.mark.parametrize('token', ['', 'a b', '▁a', '<sid_1_0>', '<twice>'])
def test_extend_refuses_custom_tokens_that_cannot_be_told_apart(token):
  base = text_model.train(_TEXT, 200)
  with pytest.raises(InputError, match='custom token'):
    text_model.extend(
        base,
        extra_ids=0,
        level_sizes=(2,),
        custom_tokens=['<twice>', token],
    )
