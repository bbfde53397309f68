# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.t5x import feature_converters
from tasks import histories
from tasks import retrieval


def _rows(task, split, lengths, converter):
  dataset = seqio.get_mixture_or_task(task).get_dataset(
      lengths, split=split, shuffle=False
  )
  examples = list(dataset.as_numpy_iterator())
  return examples, list(converter(dataset, lengths).as_numpy_iterator())


def test_history_is_added_padded_to_the_longest(run_directory):
  task = retrieval.register('t5x_converters', run_directory)
  make = feature_converters.for_run(run_directory, 'encoder_decoder', True)
  examples, rows = _rows(
      task, 'test', {'inputs': 12, 'targets': 3}, make(pack=False)
  )
  assert make.history_length == 5
  for example, row in zip(examples, rows, strict=True):
    expected = np.full(5, -1)
    expected[: len(example['history_item_ids'])] = example['history_item_ids']
    np.testing.assert_array_equal(row['history_item_ids'], expected)


def test_prompt_within_targets_is_marked_from_the_start_token_on(run_directory):
  task = histories.register('t5x_converters', run_directory)
  make = feature_converters.for_run(run_directory, 'decoder_only', False)
  examples, rows = _rows(task, 'test', {'targets': 15}, make(pack=False))
  assert examples
  for example, row in zip(examples, rows, strict=True):
    prompt = np.arange(15) < example['prompt_length'] + 1
    np.testing.assert_array_equal(row['decoder_causal_attention'], prompt)
    # What the search is given: the prompt alone, after the start token.
    shown = row['decoder_input_tokens'] * row['decoder_causal_attention']
    np.testing.assert_array_equal(
        shown[1 : example['prompt_length'] + 1],
        example['targets'][: example['prompt_length']],
    )
    assert not shown[example['prompt_length'] + 1 :].any()
    assert 'history_item_ids' not in row


def test_training_rows_are_those_of_our_own_launcher(run_directory):
  task = retrieval.register('t5x_converters', run_directory)
  lengths = {'inputs': 12, 'targets': 3}
  make = feature_converters.for_run(run_directory, 'encoder_decoder', True)
  _, found = _rows(task, 'train', lengths, make(pack=True))
  own = feature_converters.feature_converters.make('encoder_decoder', True)
  _, expected = _rows(task, 'train', lengths, own)
  for one, other in zip(found, expected, strict=True):
    assert one.keys() == other.keys()
    for name in one:
      np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize('pack', [True, False])
@pytest.mark.parametrize('kind', ['encoder_decoder', 'prefix'])
def test_weights_of_examples_reach_t5x(run_directory, kind, pack):
  task = retrieval.register('t5x_converters', run_directory)
  lengths = {'inputs': 12, 'targets': 3}
  dataset = seqio.get_mixture_or_task(task).get_dataset(
      lengths, split='train', shuffle=False
  )
  weighted = dataset.map(lambda example: {**example, 'loss_weight': 0.25})
  converter = feature_converters.for_run(run_directory, kind, True)(pack=pack)
  for plain, row in zip(
      converter(dataset, lengths).as_numpy_iterator(),
      converter(weighted, lengths).as_numpy_iterator(),
      strict=True,
  ):
    assert row['decoder_loss_weights'].dtype == np.float32
    np.testing.assert_array_equal(
        row['decoder_loss_weights'], plain['decoder_loss_weights'] * 0.25
    )


def test_number_of_examples_stays_known(run_directory):
  task = retrieval.register('t5x_converters', run_directory)
  lengths = {'inputs': 12, 'targets': 3}
  dataset = seqio.get_mixture_or_task(task).get_dataset(
      lengths, split='test', shuffle=False
  )
  cached = dataset.apply(
      feature_converters.tf.data.experimental.assert_cardinality(24)
  )
  make = feature_converters.for_run(run_directory, 'encoder_decoder', True)
  assert len(make(pack=False)(cached, lengths)) == 24


def test_what_does_not_exist_is_refused(run_directory):
  with pytest.raises(InputError, match='no feature converter'):
    feature_converters.for_run(run_directory, 'decoder_alone', False)
  make = feature_converters.for_run(run_directory, 'decoder_only', False)
  with pytest.raises(ValueError, match='use_custom_packing_ops'):
    make(pack=True, use_custom_packing_ops=True)
