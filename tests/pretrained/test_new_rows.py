# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of new tokens, against means computed one by one."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.pretrained import item_text
from plum_jax.pretrained import new_rows
from plum_jax.pretrained.item_text import ItemText
from plum_jax.vocabulary import text_model

_LEVELS = (3, 4, 2)


def _item_text(lengths, seed):
  rng = np.random.default_rng(seed)
  num_items = len(lengths)
  return ItemText(
      piece_ids=rng.integers(0, 7, sum(lengths)).astype(np.int32),
      offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
      full_codes=rng.integers(0, _LEVELS, (num_items, 3)).astype(np.int32),
      level_sizes=_LEVELS,
  )


def _one_by_one(text, rows):
  means, known = [], []
  for level, size in enumerate(_LEVELS):
    for code in range(size):
      titles = []
      for item, codes in enumerate(text.full_codes):
        pieces = text.piece_ids[text.offsets[item] : text.offsets[item + 1]]
        if codes[level] == code and len(pieces):
          titles.append(rows[pieces].mean(axis=0))
      known.append(bool(titles))
      means.append(np.mean(titles, axis=0) if titles else rows[0] * 0)
  return np.array(means), np.array(known)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.integers(0, 99),
    st.sampled_from([5, 25, 10_000]),
)
def test_code_means_are_those_of_the_items_titles(lengths, seed, chunk):
  text = _item_text(lengths, seed)
  rows = np.random.default_rng(seed).normal(size=(7, 5)).astype(np.float32)
  before, item_text._CHUNK = item_text._CHUNK, chunk
  try:
    means, known = text.code_means(rows)
  finally:
    item_text._CHUNK = before
  expected, expected_known = _one_by_one(text, rows)
  np.testing.assert_array_equal(known, expected_known)
  np.testing.assert_allclose(means, expected, atol=1e-6)


def test_titles_are_encoded_by_the_model_and_missing_ones_are_empty():
  model = text_model.train(['red film', 'blue film'] * 9, 120)
  text = ItemText.encode(
      ['red film', None, '', 'film'], model, np.zeros((4, 1), int), (1,)
  )
  assert np.diff(text.offsets)[1:3].tolist() == [0, 0]
  first = text.piece_ids[: text.offsets[1]]
  last = text.piece_ids[text.offsets[3] :]
  assert first.tolist()[-len(last) :] == last.tolist()
  empty = ItemText.encode([None], model, np.zeros((1, 1), int), (1,))
  assert not empty.code_means(np.ones((9, 2), np.float32))[1].any()


def test_rows_of_codes_come_from_titles_and_others_from_noise():
  text = ItemText(
      piece_ids=np.array([0, 1]),
      offsets=np.array([0, 2]),
      full_codes=np.array([[1, 0]]),
      level_sizes=(2, 1),
  )
  rows = np.arange(10.0, dtype=np.float32).reshape(5, 2)
  make = new_rows.FromItemText(text, first_id=5)
  new = make(rows, 6, seed=1)
  noise = new_rows.MeanNoise()(rows, 6, seed=1)
  mean = (rows[0] + rows[1]) / 2
  expected = noise.copy()
  # Code 1 of level 1 and code 0 of level 2; code 0 of level 1 has no item.
  expected[[1, 2]] = mean
  np.testing.assert_allclose(new, expected)


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_grow_keeps_the_dtype_and_drops_padding(dtype):
  table = np.arange(12.0).reshape(6, 2).astype(dtype)
  grown = new_rows.grow(table, 4, 9, new_rows.MeanNoise(), seed=0)
  assert grown.dtype == table.dtype
  assert grown.shape == (9, 2)
  np.testing.assert_array_equal(grown[:4], table[:4])
  assert not (grown[4:6] == table[4:]).any()


def test_noise_scale_narrows_the_rows():
  rows = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
  wide = new_rows.MeanNoise(1.0)(rows, 2_000, 0)
  narrow = new_rows.MeanNoise(0.1)(rows, 2_000, 0)
  np.testing.assert_allclose(wide.std(0), rows.std(0), rtol=0.1)
  np.testing.assert_allclose(narrow.std(0), 0.1 * rows.std(0), rtol=0.1)
