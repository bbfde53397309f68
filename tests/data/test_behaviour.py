# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import behaviour
from plum_jax.data import user_records
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.vocabulary.numeric_features import Buckets

# Levels of 100 codes, so that tokens 1000 + i and 1100 + i are of item i.
_FIRST_IDS = [1_000, 1_100]
_TRAINING = -1
_HOUR = 3_600
_RATING = Buckets('rating', (3.0, 4.0))
_HOURS = Buckets('hours_since', (1.0, 2.0, 5.0))
# Item i has i tokens of text, all 200 + i.
_TEXTS = TextTokens(
    np.repeat(200 + np.arange(10), np.arange(10)).astype(np.int32),
    np.concatenate([[0], np.cumsum(np.arange(10))]),
)


def _schema(texts=(_TEXTS,), numbers=((_RATING, 300), (_HOURS, 400))):
  return behaviour.BehaviourSchema(
      _FIRST_IDS,
      opening=np.array([7]),
      separator=np.array([8, 9]),
      item_texts=texts,
      numbers=numbers,
  )


def _examples(rows, length=None, seed=0, schema=None):
  """Runs records of (items, hours, ratings, target item or _TRAINING)."""
  examples = []
  for user, (items, hours, ratings, target) in enumerate(rows):
    of_target = [] if target == _TRAINING else [target]
    examples.append(
        user_records._example(  # noqa: SLF001
            f'u{user}',
            {
                'user': [user],
                'item_ids': items,
                'sid_codes': np.repeat(items, 2).astype(int),
                'times': [int(h * _HOUR) for h in hours],
                'target_item_id': of_target or [-1],
                'target_sid_codes': np.repeat(of_target, 2).astype(int),
                'target_time': [1_000 * _HOUR],
            },
            {
                'ratings': ratings,
                'rewards': ratings,
                'target_rating': [5.0],
                'target_reward': [5.0],
            },
        )
    )
  features = user_records.features()
  dataset = tf.data.Dataset.from_tensor_slices(examples).map(
      features.deserialize_example
  )
  with seqio.map_seed_manager(seed):
    dataset = behaviour.behaviour_windows(
        dataset,
        None if length is None else {'targets': length},
        schema=schema or _schema(),
    )
  return list(dataset.as_numpy_iterator())


def test_a_training_history_has_literal_tokens():
  [found] = _examples(
      [([2, 0, 1], [0, 4, 4.5], [3.5, float('nan'), 1.0], _TRAINING)]
  )
  assert found['targets'].tolist() == [
      *[7],
      # Two tokens of text, rating from 3 to 4, 4 hours before the last one
      # before the separator.
      *[1002, 1102, 202, 202, 301, 402],
      # No text, no rating (the fourth token), 0 hours.
      *[1000, 1100, 303, 400],
      *[8, 9, 1001, 1101],
  ]
  assert found['prompt_length'] == len(found['targets']) - 2
  assert found['target_item_id'] == _TRAINING
  assert not found['history_item_ids'].size


def test_a_target_comes_last_and_shows_nothing_of_itself():
  [found] = _examples([([1, 3], [0, 3], [4.0, 2.0], 5)])
  assert found['targets'].tolist() == [
      *[7],
      *[1001, 1101, 201, 302, 402],
      *[1003, 1103, 203, 203, 203, 300, 400],
      *[8, 9, 1005, 1105],
  ]
  assert found['target_item_id'] == 5
  assert found['history_item_ids'].tolist() == [1, 3]


def test_a_target_keeps_the_newest_items_that_fit():
  row = ([1, 1, 1, 1], [0, 1, 2, 3], [4.0] * 4, 5)
  # An item has 5 tokens; 1 + 2 + 2 for opening, separator and target.
  lengths = [len(_examples([row], n)[0]['targets']) for n in (10, 14, 15, 25)]
  assert lengths == [10, 10, 15, 25]
  [found] = _examples([row], 10)
  assert found['prompt_length'] == 8
  assert found['history_item_ids'].tolist() == [1, 1, 1, 1]


@settings(deadline=None, max_examples=25)
@given(
    items=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    length=st.integers(6, 60),
    seed=st.integers(0, 5),
)
def test_every_interaction_is_in_one_window_that_fits(items, length, seed):
  hours = list(range(len(items)))
  found = _examples(
      [(items, hours, [1.0] * len(items), _TRAINING)], length, seed
  )
  order = []
  for example in found:
    tokens = example['targets']
    assert tokens[0] == 7
    assert tokens[-4:-2].tolist() == [8, 9]
    assert len(tokens) <= length
    order += [t - 1_000 for t in tokens.tolist() if 1_000 <= t < 1_100]
  assert order == items


def test_windows_are_cut_elsewhere_with_another_seed():
  row = ([1] * 40, list(range(40)), [1.0] * 40, _TRAINING)
  cuts = {
      tuple(len(e['targets']) for e in _examples([row], 30, seed))
      for seed in range(6)
  }
  assert len(cuts) > 1
  assert _lengths(row, 3) == _lengths(row, 3)


def _lengths(row, seed):
  return [len(e['targets']) for e in _examples([row], 30, seed)]


def test_a_schema_without_texts_and_numbers_has_sids_alone():
  [found] = _examples(
      [([2, 4], [0, 1], [1.0, 1.0], _TRAINING)], schema=_schema((), ())
  )
  assert found['targets'].tolist() == [7, 1002, 1102, 8, 9, 1004, 1104]


def test_a_budget_without_room_for_an_item_is_refused():
  with pytest.raises(InputError, match='no room for two items'):
    _examples([([1], [0], [1.0], 2)], length=5)
