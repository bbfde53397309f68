# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.data import preprocessors
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.prompt_texts import PromptTexts
from tests.data import tiny_records

_NUM_ITEMS, _NUM_USERS = 12, 3


def _table(rows):
  lengths = [len(row) for row in rows]
  return TextTokens(
      np.array(sum(rows, []), np.int32),
      np.concatenate([[0], np.cumsum(lengths)]),
  )


def _texts(items=None, users=None, context=None):
  return PromptTexts(
      *(
          None if rows is None else _table(rows)
          for rows in (items, users, context)
      ),
      np.array([8, 9], np.int32),
  )


def _sid(item):
  return [1_000 + item, 1_100 + item]


def _prompts(texts, rows, lengths=None, **kwargs):
  examples = tiny_records.run(
      preprocessors.retrieval_examples, rows, lengths, texts=texts, **kwargs
  )
  return [example['inputs'].tolist() for example in examples]


def test_prompt_has_history_user_and_context_in_this_order():
  texts = _texts(
      items=[[100 + i] * (i % 3) for i in range(_NUM_ITEMS)],
      users=[[], [50, 51], []],
      context=[[200 + i] for i in range(_NUM_ITEMS)],
  )
  found = _prompts(
      texts, [(1, [3, 1, 4], tiny_records.TRAINING), (2, [5, 6], 7)]
  )
  assert found == [
      [*_sid(3), 50, 51, 8, 9, *_sid(3), 203],
      [*_sid(3), *_sid(1), 101, 50, 51, 8, 9, *_sid(1), 201],
      # Nothing is known of user 2.
      [*_sid(5), 105, 105, *_sid(6), 8, 9, *_sid(6), 206],
  ]


def test_prompt_is_cut_to_whole_items_and_keeps_all_parts():
  texts = _texts(
      items=[[100 + i] * 2 for i in range(_NUM_ITEMS)],
      users=[[50]] * _NUM_USERS,
  )
  row = (0, [3, 1, 4], 5)
  for length, kept in ((13, [3, 1, 4]), (12, [1, 4]), (9, [1, 4]), (8, [4])):
    [prompt] = _prompts(texts, [row], {'inputs': length, 'targets': 2})
    expected = [t for i in kept for t in [*_sid(i), 100 + i, 100 + i]]
    assert prompt == [*expected, 50]
  [prompt] = _prompts(texts, [row], max_items=2)
  assert len(prompt) == 9


def test_input_without_room_for_parts_and_one_item_is_refused():
  texts = _texts(
      items=[[7] * i for i in range(4)],
      users=[[], [5, 5, 5]],
      context=[[7], [7, 7]],
  )
  # 2 + 3 tokens of an item, 3 of a user, 2 + 2 + 2 of the context.
  texts.check_budget(14, 2)
  with pytest.raises(InputError, match='13 tokens has no room') as caught:
    _prompts(texts, [(0, [1], 2)], {'inputs': 13, 'targets': 2})
  assert '5 item, 3 user features, 6 context item' in caught.value.what
  assert 'at least 14' in caught.value.expected


_ROWS = st.lists(
    st.lists(st.integers(1, 99), max_size=3),
    min_size=_NUM_ITEMS,
    max_size=_NUM_ITEMS,
)


def _reference(texts, user, items, target, length, max_items):
  """Puts prompts together in a loop, item by item from the newest backwards."""
  stops = (
      range(1, len(items)) if target == tiny_records.TRAINING else [len(items)]
  )
  for stop in stops:
    parts = list(texts.users[user]) if texts.users else []
    if texts.context:
      newest = items[stop - 1]
      parts += [*texts.context_words, *_sid(newest), *texts.context[newest]]
    prompt = parts
    for taken, item in enumerate(reversed(items[:stop])):
      piece = [*_sid(item), *(texts.items[item] if texts.items else [])]
      if taken == max_items or len(piece) + len(prompt) > length:
        break
      prompt = [*piece, *prompt]
    yield [int(token) for token in prompt]


@settings(max_examples=6, deadline=None)
@given(
    st.one_of(st.none(), _ROWS),
    st.one_of(st.none(), _ROWS),
    st.one_of(st.none(), _ROWS),
    st.lists(
        st.tuples(
            st.integers(0, _NUM_USERS - 1),
            st.lists(st.integers(0, _NUM_ITEMS - 1), min_size=1, max_size=9),
            st.integers(-1, _NUM_ITEMS - 1),
        ),
        min_size=3,
        max_size=6,
    ),
    st.integers(16, 40),
    st.sampled_from([None, 2]),
)
def test_prompts_equal_a_loop_over_items(
    items, users, context, rows, length, max_items
):
  texts = _texts(items, users, context)
  found = _prompts(
      texts, rows, {'inputs': length, 'targets': 2}, max_items=max_items
  )
  expected = [
      prompt
      for row in rows
      for prompt in _reference(texts, *row, length, max_items)
  ]
  assert found == expected


def test_prompts_without_texts_are_those_of_sids_alone():
  rows = [(0, [3, 1, 4, 1, 5], tiny_records.TRAINING), (1, [2, 7, 1], 8)]
  lengths = {'inputs': 6, 'targets': 2}
  assert _prompts(_texts(), rows, lengths) == _prompts(None, rows, lengths)
