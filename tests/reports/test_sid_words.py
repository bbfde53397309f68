# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Words typical of branches, against counting and hand-computed values."""

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.reports import sid_words

_PATHS = pa.list_(pa.list_(pa.string()))


def _words(titles, categories=None):
  categories = [[] for _ in titles] if categories is None else categories
  return sid_words.item_words(pa.array(titles), pa.array(categories, _PATHS))


def _of_items(words, num_items):
  found = [set() for _ in range(num_items)]
  for row, word in zip(words.rows, words.words, strict=True):
    assert words.names[word] not in found[row]
    found[row].add(words.names[word])
  return found


def test_words_are_of_titles_and_categories_in_lower_case():
  titles = ["O'Hara's RED-hot  Red 90210 x", "Red o'hara's", '', 'Été été']
  categories = [
      [['Films', 'Hot Films'], ['Songs']],
      [['Songs']],
      [['Films'], []],
      [],
  ]
  found = _of_items(_words(titles, categories), 4)
  assert found == [
      {"o'hara's", 'red', 'films', 'songs'},
      {"o'hara's", 'red', 'songs'},
      {'films'},
      set(),  # No other item has its word.
  ]


def test_words_of_items_without_any_are_none():
  words = _words(['', '12', 'a'])
  assert words.names == ()
  groups = np.array([0, 0, 1])
  assert sid_words.typical_words(groups, [0, 1], words, 3) == [(), ()]


def test_words_that_set_a_branch_apart_come_first():
  titles = ['nail polish red'] * 8 + ['hair spray red'] * 8 + ['hair dye'] * 8
  groups = np.repeat([4, 0, 2], 8)
  found = sid_words.typical_words(groups, [2, 4], _words(titles), 2)
  assert found == [('dye', 'hair'), ('nail', 'polish')]


def test_words_of_one_item_of_a_branch_are_not_typical_of_it():
  titles = ['rare common', 'common'] + ['rare other'] + ['other'] * 50
  groups = np.array([1, 1] + [0] * 51)
  (found,) = sid_words.typical_words(groups, [1], _words(titles), 5)
  assert found == ('common',)


def test_all_items_have_no_words_that_set_them_apart():
  titles = ['nail polish', 'nail file', 'hair spray', 'hair dye'] * 20
  groups = np.zeros(80, np.int64)
  assert sid_words.typical_words(groups, [0], _words(titles), 5) == [()]


def test_log_likelihood_ratio_equals_hand_computed_value():
  # 8 of 20 items inside have the word, 2 of 80 outside.
  (found,) = sid_words.log_likelihood_ratio(
      np.array([8]), np.array([20]), np.array([10]), 100
  )
  expected = 2 * (
      8 * np.log(8 / 2)
      + 12 * np.log(12 / 18)
      + 2 * np.log(2 / 8)
      + 78 * np.log(78 / 72)
  )
  assert found == pytest.approx(expected)


def test_log_likelihood_ratio_is_negative_for_rarer_words():
  found = sid_words.log_likelihood_ratio(
      np.array([1, 0, 2]), np.array([10, 4, 2]), np.array([9, 9, 2]), 20
  )
  assert np.sign(found).tolist() == [-1, -1, 1]
  assert np.isfinite(found).all()
