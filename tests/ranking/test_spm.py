# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import sentencepiece

from plum_jax.artifacts.errors import InputError
from plum_jax.ranking import spm

_SIZES = (8, 8, 8, 8)


def _train(codes, counts, num_rows=40, sizes=_SIZES):
  return spm.train(
      np.asarray(codes),
      np.asarray(counts),
      codebook_sizes=sizes,
      tokenizer_hash='abc',
      num_rows=num_rows,
  )


@pytest.fixture(name='catalog', scope='module')
def catalog_fixture():
  """A hundred items; those of the first two are impressed by far the most."""
  codes = np.random.default_rng(0).integers(8, size=(100, 4))
  counts = np.ones(100, np.int64)
  counts[:2] = 10_000
  return codes, counts


def _texts_of_pieces(model, codes):
  """Pieces of items as texts, through SentencePiece itself."""
  processor = sentencepiece.SentencePieceProcessor(model_proto=model.model)
  return [
      [processor.id_to_piece(int(row) + 1) for row in rows if row >= 0]
      for rows in model.encode(codes)
  ]


def test_pieces_of_an_item_spell_its_semantic_id(catalog):
  codes, counts = catalog
  model = _train(codes, counts)
  texts = spm.texts(codes, _SIZES)
  spelt = [''.join(pieces) for pieces in _texts_of_pieces(model, codes)]
  assert spelt == texts


def test_head_items_look_up_fewer_rows_than_tail_items(catalog):
  codes, counts = catalog
  look_ups = np.sum(_train(codes, counts).encode(codes) >= 0, axis=1)
  assert look_ups[:2].tolist() == [1, 1]
  assert look_ups[2:].mean() > 2


def test_what_is_impressed_often_decides_not_what_there_is_most_of(catalog):
  codes, counts = catalog
  other = counts.copy()
  other[:2], other[2:4] = 1, 10_000
  look_ups = np.sum(_train(codes, other).encode(codes) >= 0, axis=1)
  assert look_ups[2:4].tolist() == [1, 1]
  assert look_ups[:2].min() > 1


def test_codes_of_items_that_were_not_impressed_have_rows(catalog):
  codes, counts = catalog
  model = _train(codes, np.where(np.arange(100) < 3, counts, 0))
  unseen = np.array([[7, 0, 7, 0], [5, 5, 5, 5]])
  rows = model.encode(unseen)
  assert rows.min() >= 0
  assert rows.max() < model.num_rows
  spelt = [''.join(pieces) for pieces in _texts_of_pieces(model, unseen)]
  assert spelt == spm.texts(unseen, _SIZES)


def test_smallest_vocabulary_is_the_unigrams(catalog):
  codes, counts = catalog
  model = _train(codes, counts, num_rows=32)
  assert model.num_rows == 32
  rows = model.encode(codes)
  assert np.all(np.sum(rows >= 0, axis=1) == 4)
  # A row a code, whatever its number.
  for level in range(4):
    pairs = set(zip(codes[:, level].tolist(), rows[:, level], strict=True))
    assert len(pairs) == len(set(codes[:, level].tolist()))


def test_vocabulary_without_room_for_every_code_is_refused(catalog):
  codes, counts = catalog
  with pytest.raises(InputError, match='every single code'):
    _train(codes, counts, num_rows=31)


def test_training_without_impressions_is_refused(catalog):
  codes, _ = catalog
  with pytest.raises(InputError, match='No item'):
    _train(codes, np.zeros(100))


def test_same_input_gives_the_same_bytes(catalog):
  assert _train(*catalog).model == _train(*catalog).model


def test_saved_model_is_read_back_and_names_its_tokenizer(catalog, tmp_path):
  codes, counts = catalog
  model = _train(codes, counts)
  model.save(tmp_path)
  found = spm.load(tmp_path, 'abc')
  assert found == model
  with pytest.raises(InputError, match='another tokenizer'):
    spm.load(tmp_path, 'def')


def test_damaged_and_missing_models_are_refused(catalog, tmp_path):
  with pytest.raises(InputError, match='cannot be read'):
    spm.load(tmp_path)
  _train(*catalog).save(tmp_path)
  (tmp_path / spm.MODEL_FILE).write_bytes(b'no model')
  with pytest.raises(InputError, match='cannot be read'):
    spm.load(tmp_path)


def test_paper_sizes_fit_into_private_use_characters():
  sizes = (16_000,) * 8
  codes = np.array([[15_999] * 8, [0] * 8])
  first, second = spm.texts(codes, sizes)
  assert len(first) == len(second) == 8
  for character in first + second:
    assert 0xF0000 <= ord(character) <= 0x10FFFD
    assert ord(character) & 0xFFFF < 0xFFFE
  with pytest.raises(InputError, match='131,068'):
    spm.texts(codes, (17_000,) * 8)
