# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import feature_converters

_KINDS = {
    'encoder_decoder': (
        seqio.EncDecFeatureConverter,
        {'inputs': 12, 'targets': 7},
    ),
    'decoder_only': (seqio.LMFeatureConverter, {'targets': 12}),
    'prefix': (seqio.PrefixLMFeatureConverter, {'inputs': 11, 'targets': 5}),
}


def _dataset(features, num_examples=150, seed=0):
  """Makes examples of 1 to 5 tokens, some longer than a row."""
  rng = np.random.default_rng(seed)
  columns = {}
  for name in features:
    lengths = rng.integers(1, 6, num_examples)
    lengths[rng.integers(0, num_examples, 3)] = 20
    tokens = rng.integers(1, 99, lengths.sum()).astype(np.int32)
    columns[name] = tf.RaggedTensor.from_row_lengths(tokens, lengths)
  return tf.data.Dataset.from_tensor_slices(columns)


def _rows(dataset):
  rows = list(dataset.as_numpy_iterator())
  return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize('pack', [False, True])
@pytest.mark.parametrize('kind', list(_KINDS))
def test_rows_equal_those_of_seqio(kind, pack):
  reference, lengths = _KINDS[kind]
  dataset = _dataset(lengths)
  # SeqIO refuses examples that are too long, which its tasks have cut before.
  expected = _rows(
      reference(pack=pack, apply_length_check=False)(dataset, lengths)
  )
  found = _rows(feature_converters.make(kind, pack)(dataset, lengths))
  assert set(found) == set(expected)
  for name, rows in expected.items():
    assert found[name].dtype == rows.dtype
    np.testing.assert_array_equal(found[name], rows, err_msg=name)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('pack', [False, True])
@pytest.mark.parametrize('kind', list(_KINDS))
def test_features_are_known_before_a_row_is_made(kind, pack, weighted):
  _, lengths = _KINDS[kind]
  dataset = _dataset(lengths)
  if weighted:
    dataset = dataset.map(lambda example: example | {'loss_weight': 0.5})
  converter = feature_converters.make(kind, pack)
  rows = _rows(converter(dataset, lengths))
  names = [*lengths, *(['loss_weight'] if weighted else [])]
  assert feature_converters.model_features(converter, lengths, names) == {
      name: (found.shape[1], found.dtype) for name, found in rows.items()
  }


def test_packed_rows_have_literal_values():
  dataset = tf.data.Dataset.from_tensor_slices(
      {'targets': tf.ragged.constant([[3, 9, 1], [4, 1], [5, 5]], tf.int32)}
  )
  rows = _rows(
      feature_converters.make('decoder_only', True)(dataset, {'targets': 6})
  )
  assert {name: values.tolist() for name, values in rows.items()} == {
      'decoder_target_tokens': [[3, 9, 1, 4, 1, 0], [5, 5, 0, 0, 0, 0]],
      'decoder_input_tokens': [[0, 3, 9, 0, 4, 0], [0, 5, 0, 0, 0, 0]],
      'decoder_loss_weights': [[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]],
      'decoder_segment_ids': [[1, 1, 1, 2, 2, 0], [1, 1, 0, 0, 0, 0]],
      'decoder_positions': [[0, 1, 2, 0, 1, 0], [0, 1, 0, 0, 0, 0]],
  }


@pytest.mark.parametrize('pack', [False, True])
@pytest.mark.parametrize('kind', list(_KINDS))
def test_loss_weight_of_an_example_is_at_each_of_its_targets(kind, pack):
  _, lengths = _KINDS[kind]
  dataset = _dataset(lengths, num_examples=80)
  weights = np.arange(1, 81, dtype=np.float32) / 8
  weighted = tf.data.Dataset.zip(
      (dataset, tf.data.Dataset.from_tensor_slices(weights))
  ).map(lambda example, weight: example | {'loss_weight': weight})
  converter = feature_converters.make(kind, pack)
  plain, found = _rows(converter(dataset, lengths)), _rows(
      converter(weighted, lengths)
  )
  ours = found.pop('decoder_loss_weights')
  mask = plain.pop('decoder_loss_weights')
  assert ours.dtype == np.float32
  for name, rows in plain.items():
    np.testing.assert_array_equal(found[name], rows, err_msg=name)
  # The number of each token's example, from the segments of all rows before.
  segments = found.get(
      'decoder_segment_ids', (plain['decoder_target_tokens'] > 0) * 1
  )
  before = np.concatenate([[0], np.cumsum(segments.max(1))[:-1]])
  example = np.maximum(before[:, None] + segments - 1, 0)
  np.testing.assert_array_equal(ours, weights[example] * mask)


def test_prefix_rows_with_weights_have_literal_values():
  dataset = tf.data.Dataset.from_tensor_slices(
      {
          'inputs': tf.ragged.constant([[7, 8], [9]], tf.int32),
          'targets': tf.constant([[3, 4], [5, 6]]),
          'loss_weight': tf.constant([0.5, 0.25]),
      }
  )
  lengths = {'inputs': 5, 'targets': 3}
  rows = _rows(feature_converters.make('prefix', True)(dataset, lengths))
  assert {name: values.tolist() for name, values in rows.items()} == {
      'decoder_target_tokens': [[7, 8, 3, 4, 9, 5, 6, 0]],
      'decoder_input_tokens': [[0, 7, 8, 3, 0, 9, 5, 0]],
      'decoder_loss_weights': [[0, 0, 0.5, 0.5, 0, 0.25, 0.25, 0]],
      'decoder_causal_attention': [[1, 1, 1, 0, 1, 1, 0, 0]],
      'decoder_segment_ids': [[1, 1, 1, 1, 2, 2, 2, 0]],
      'decoder_positions': [[0, 1, 2, 3, 0, 1, 2, 0]],
  }


def test_features_of_fixed_length_and_passed_through_are_kept():
  dataset = tf.data.Dataset.from_tensors(
      {
          'inputs': tf.constant([7, 8]),
          'targets': tf.constant([9]),
          'weight': tf.constant([1.5]),
      }
  )
  spec = seqio.FeatureConverter.FeatureSpec(dtype=tf.float32)
  converter = feature_converters.EncDecFeatureConverter(
      pack=False, passthrough_features={'weight': spec}
  )
  rows = _rows(converter(dataset, {'inputs': 3, 'targets': 2, 'weight': 1}))
  assert {name: values.tolist() for name, values in rows.items()} == {
      'encoder_input_tokens': [[7, 8, 0]],
      'decoder_target_tokens': [[9, 0]],
      'decoder_input_tokens': [[0, 9]],
      'decoder_loss_weights': [[1, 0]],
      'weight': [[1.5]],
  }


def test_make_refuses_a_converter_that_is_not_there():
  with pytest.raises(InputError, match='no feature converter'):
    feature_converters.make('encoder', True)
