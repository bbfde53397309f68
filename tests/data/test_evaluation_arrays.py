# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.vocabulary.layout import VocabularyLayout
from tasks import histories
from tasks import retrieval
from tests.data.tiny_run import build_run


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  # The second user is too short for a target.
  root = tmp_path_factory.mktemp('evaluation')
  return build_run(root, [[0, 5, 3, 1], [2, 4], [1, 2, 0]])


@pytest.fixture(scope='module')
def tokens(run):
  """The tokens of a list of items."""
  sid_tokens = VocabularyLayout.load(run / 'vocabulary').sid_tokens
  a, b, c = sid_tokens.level_first_ids.tolist()
  of_item = {
      0: [a, b, c],
      1: [a, b + 1, c],
      2: [a + 1, b, c],
      3: [a + 1, b + 1, c],
      5: [a, b, c + 1],
  }
  return lambda items: [token for item in items for token in of_item[item]]


def _lists(arrays):
  assert {array.dtype.name for array in arrays.values()} == {'int32'}
  return {name: array.tolist() for name, array in arrays.items()}


_TEST = {
    'user': [0, 2],
    'target_item_ids': [1, 0],
    'history_item_ids': [[0, 5, 3], [-1, 1, 2]],
}


def test_encoder_decoder_prompts_are_the_newest_items(run, tokens):
  task = retrieval.register('evaluation', run)
  arrays = evaluation_arrays(
      task, 'test', {'inputs': 7, 'targets': 3}, 'encoder_decoder'
  )
  assert _lists(arrays) == _TEST | {
      'encoder_input_tokens': [[*tokens([5, 3]), 0], [*tokens([1, 2]), 0]]
  }


def test_decoder_only_prompts_leave_room_for_the_target(run, tokens):
  task = histories.register('evaluation', run, max_items=50)
  arrays = evaluation_arrays(task, 'test', {'targets': 9}, 'decoder_only')
  assert _lists(arrays) == _TEST | {
      'prompt_tokens': [
          [*tokens([5, 3]), 0, 0, 0],
          [*tokens([1, 2]), 0, 0, 0],
      ],
      'prompt_lengths': [6, 6],
  }


def test_decoder_only_prompts_come_from_inputs_too(run, tokens):
  task = retrieval.register('evaluation', run)
  arrays = evaluation_arrays(
      task, 'validation', {'inputs': 6, 'targets': 3}, 'decoder_only'
  )
  assert _lists(arrays) == {
      'user': [0, 2],
      'target_item_ids': [3, 2],
      'history_item_ids': [[0, 5], [-1, 1]],
      'prompt_tokens': [tokens([0, 5]), [*tokens([1]), 0, 0, 0]],
      'prompt_lengths': [6, 3],
  }


def test_max_examples_takes_the_first(run):
  task = retrieval.register('evaluation', run)
  arrays = evaluation_arrays(
      task,
      'test',
      {'inputs': 6, 'targets': 3},
      'encoder_decoder',
      max_examples=1,
  )
  assert arrays['user'].tolist() == [0]


@pytest.mark.parametrize(
    ('split', 'converter', 'message'),
    [
        ('train', 'decoder_only', 'no targets in a split'),
        ('day_3', 'decoder_only', 'no targets in a split'),
        ('test', 'encoder_decoder', 'no prompt'),
    ],
)
def test_what_has_no_prompts_is_refused(run, split, converter, message):
  task = histories.register('evaluation', run)
  with pytest.raises(InputError, match=message):
    evaluation_arrays(task, split, {'targets': 9}, converter)
