# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import item_text_tokens
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary


def _load(run, *fields):
  return item_text_tokens.load(run / 'catalog', run / 'vocabulary', fields)


def test_field_of_items_is_encoded_as_the_vocabulary_does(run_directory):
  titles = _load(run_directory, 'title')['title']
  vocabulary = SemanticIdVocabulary(run_directory / 'vocabulary')
  assert len(titles) == 6
  for item in range(6):
    assert titles[item].tolist() == vocabulary.encode(f'Film i{item}')
    assert vocabulary.decode(titles[item].tolist()) == f'Film i{item}'


def test_rows_are_gathered_inside_tf_data(run_directory):
  titles = _load(run_directory, 'title')['title']
  table = titles.ragged()
  dataset = tf.data.Dataset.from_tensors(tf.constant([5, 0, 5])).map(
      lambda items: tf.gather(table, items)
  )
  [rows] = dataset
  assert rows.to_list() == [titles[i].tolist() for i in (5, 0, 5)]
  assert rows.dtype == tf.int32


def test_missing_texts_have_no_tokens_and_long_ones_are_cut(run_directory):
  model_file = run_directory / 'vocabulary' / 'vocabulary.model'
  tokens = item_text_tokens.encode(
      pa.array(['Film i1', None, '', 'Film']), model_file
  )
  assert tokens.lengths[1:3].tolist() == [0, 0]
  cut = tokens.cut(2)
  np.testing.assert_array_equal(cut.lengths, np.minimum(tokens.lengths, 2))
  for row in range(4):
    assert cut[row].tolist() == tokens[row][:2].tolist()
  assert cut.describe() != tokens.describe()


def test_fields_are_encoded_once_and_unknown_ones_refused(run_directory):
  assert (
      _load(run_directory, 'title')['title']
      is _load(run_directory, 'title')['title']
  )
  with pytest.raises(InputError, match="no text field 'brand'"):
    _load(run_directory, 'brand')
  with pytest.raises(InputError, match="no text field 'item_id'"):
    _load(run_directory, 'item_id')


def test_phrases_are_encoded_by_name(run_directory):
  model_file = run_directory / 'vocabulary' / 'vocabulary.model'
  found = item_text_tokens.phrases({'a': 'Film', 'b': ''}, model_file)
  vocabulary = SemanticIdVocabulary(run_directory / 'vocabulary')
  assert found['a'].tolist() == vocabulary.encode('Film')
  assert found['b'].tolist() == []
