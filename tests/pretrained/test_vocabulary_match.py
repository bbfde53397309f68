# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints' rows fit a vocabulary, and which are refused."""

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import vocabulary_match
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.vocabulary import text_model
from plum_jax.vocabulary.layout import VocabularyLayout

_BASE = text_model.train([f'red film number {i}' for i in range(30)], 400)
_OTHER = text_model.train([f'blue books of page {i}' for i in range(30)], 400)
_EXTRA, _LEVELS = 100, (64, 64, 8)


def _extended(base, levels=_LEVELS):
  return text_model.extend(base, extra_ids=_EXTRA, level_sizes=levels)


def _vocabulary(levels=_LEVELS):
  layout = VocabularyLayout(
      text_model.num_pieces(_BASE), _EXTRA, levels, (), 'table'
  )
  return vocabulary_match.Vocabulary(
      layout, _extended(_BASE, levels), 'hash', 'runs/a/vocabulary'
  )


_VOCABULARY = _vocabulary()
_ROWS = _VOCABULARY.layout.padded_vocab_size
_TEXT = _VOCABULARY.num_text
_TEXT_ROWS = -(-_TEXT // 128) * 128


def _checkpoint(num_rows, **known):
  table = jax.ShapeDtypeStruct((num_rows, 4), np.float32)
  return Checkpoint(
      form='a test',
      path='here',
      arrays={'token_embedder/embedding': table},
      read=lambda _: {},
      **known,
  )


def _choose(checkpoint, asked='auto'):
  return vocabulary_match.choose(checkpoint, _VOCABULARY, _ROWS, asked)


@pytest.mark.parametrize(
    ('checkpoint', 'chosen'),
    [
        (_checkpoint(_TEXT_ROWS), 'mean_noise'),
        (_checkpoint(_TEXT), 'mean_noise'),
        (_checkpoint(_ROWS), 'keep'),
        (_checkpoint(_TEXT_ROWS, sentencepiece=_BASE), 'mean_noise'),
        (_checkpoint(_ROWS, sentencepiece=_extended(_BASE)), 'keep'),
        (
            _checkpoint(_ROWS, sentencepiece=_extended(_BASE, (64, 63, 9))),
            'mean_noise',
        ),
        (_checkpoint(_ROWS, vocabulary_hash='hash'), 'keep'),
    ],
)
def test_auto_keeps_rows_of_the_same_vocabulary_alone(checkpoint, chosen):
  assert _TEXT_ROWS < _ROWS
  assert _choose(checkpoint) == chosen


@pytest.mark.parametrize('asked', ['mean_noise', 'item_text'])
def test_rows_can_be_made_anew(asked):
  assert _choose(_checkpoint(_TEXT_ROWS), asked) == asked
  assert _choose(_checkpoint(_ROWS), asked) == asked


@pytest.mark.parametrize(
    ('checkpoint', 'asked', 'message'),
    [
        (_checkpoint(32_128), 'auto', '32,128 rows'),
        (_checkpoint(_ROWS + 128), 'mean_noise', 'into other pieces'),
        (_checkpoint(_TEXT - 1), 'auto', 'into other pieces'),
        (_checkpoint(_TEXT_ROWS, sentencepiece=_OTHER), 'auto', 'Piece '),
        (_checkpoint(_ROWS, sentencepiece=_OTHER), 'keep', 'Piece '),
        (_checkpoint(_TEXT_ROWS), 'keep', 'of another vocabulary'),
        (
            _checkpoint(_ROWS, sentencepiece=_extended(_BASE, (64, 63, 9))),
            'keep',
            'of another vocabulary',
        ),
        (_checkpoint(_ROWS, vocabulary_hash='other'), 'auto', 'not in its run'),
        (_checkpoint(_ROWS), 'zeros', "no way 'zeros'"),
    ],
)
def test_other_vocabularies_are_refused(checkpoint, asked, message):
  with pytest.raises(InputError) as caught:
    _choose(checkpoint, asked)
  assert message in str(caught.value).replace('\n', ' ')


def test_fewer_pieces_than_the_text_model_has_are_refused():
  model = text_model._ModelProto.FromString(_BASE)
  del model.pieces[-1]
  with pytest.raises(InputError, match='The checkpoint has .* pieces'):
    _choose(_checkpoint(_TEXT_ROWS, sentencepiece=model.SerializeToString()))


def test_rows_that_fit_both_ways_must_be_explained():
  small = _vocabulary((2, 2))
  rows = small.layout.padded_vocab_size
  checkpoint = _checkpoint(rows)
  assert rows == -(-small.num_text // 128) * 128
  with pytest.raises(InputError, match='fits the text pieces and the whole'):
    vocabulary_match.choose(checkpoint, small, rows, 'auto')
  for asked in ('keep', 'mean_noise'):
    chosen = vocabulary_match.choose(checkpoint, small, rows, asked)
    assert chosen == asked
