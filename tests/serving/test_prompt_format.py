# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prompts from item numbers, against a plain loop."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.serving import prompt_format
from plum_jax.serving.prompt_format import Histories
from plum_jax.serving.prompt_format import PromptFormat

_TOKENS = np.arange(1, 21, dtype=np.int32).reshape(10, 2)


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=7), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_prompts_are_the_tokens_of_the_newest_items(users, max_items, room):
  histories = Histories(
      np.array([item for user in users for item in user], np.int64),
      np.cumsum([0, *map(len, users)]),
  )
  length = 2 * max_items + room
  found = PromptFormat('decoder_only', length, max_items).features(
      histories, _TOKENS
  )
  encoder = PromptFormat('encoder_decoder', length, max_items).features(
      histories, _TOKENS
  )
  expected = np.zeros((len(users), length), np.int32)
  for row, user in enumerate(users):
    newest = _TOKENS[user[-max_items:]].ravel()
    expected[row, : len(newest)] = newest
    assert found['prompt_lengths'][row] == len(newest)
  np.testing.assert_array_equal(found['prompt_tokens'], expected)
  np.testing.assert_array_equal(encoder['encoder_input_tokens'], expected)
  assert found['prompt_tokens'].dtype == np.int32


def _task(step, **options):
  return {'name': 't', 'preprocessors': [{'name': step, 'options': options}]}


@pytest.mark.parametrize(
    ('task', 'lengths', 'kind', 'expected'),
    [
        (
            _task('history_windows', max_items=50),
            {'targets': 150},
            'decoder_only',
            PromptFormat('decoder_only', 150, 49),
        ),
        (
            _task('history_windows', max_items=50),
            {'targets': 31},
            'decoder_only',
            PromptFormat('decoder_only', 31, 9),
        ),
        (
            _task('retrieval_examples', max_items=None),
            {'inputs': 61},
            'encoder_decoder',
            PromptFormat('encoder_decoder', 61, 20),
        ),
        (
            _task('retrieval_examples', max_items=7, labels={}),
            {'inputs': 61},
            'decoder_only',
            PromptFormat('decoder_only', 61, 7),
        ),
    ],
)
def test_format_is_that_of_the_task(task, lengths, kind, expected):
  assert prompt_format.from_task(task, lengths, kind, 3) == expected


@pytest.mark.parametrize(
    ('task', 'kind', 'match'),
    [
        (_task('history_windows', max_items=9), 'encoder_decoder', 'made'),
        (
            _task('retrieval_examples', max_items=9, texts={}),
            'encoder_decoder',
            'cannot be made from item ids',
        ),
        ({'name': 'mixture', 'tasks': {}}, 'decoder_only', 'mixture'),
        (_task('history_windows', max_items=1), 'decoder_only', 'no room'),
    ],
)
def test_tasks_with_other_prompts_are_refused(task, kind, match):
  lengths = {'targets': 30, 'inputs': 30}
  with pytest.raises(InputError, match=match):
    prompt_format.from_task(task, lengths, kind, 3)
