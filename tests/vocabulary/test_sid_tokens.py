# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.vocabulary.sid_tokens import SidTokens

_LEVELS = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(_LEVELS, st.integers(1, 300), st.integers(0, 300), st.integers(0, 99))
def test_codes_undo_token_ids(sizes, first_id, room, seed):
  tokens = SidTokens(first_id, tuple(sizes), first_id + sum(sizes) + room)
  rng = np.random.default_rng(seed)
  codes = rng.integers(0, sizes, (7, len(sizes)))
  ids = tokens.token_ids(codes)
  assert ids.dtype == np.int32
  np.testing.assert_array_equal(tokens.codes(ids), codes)
  levels = np.tile(np.arange(1, len(sizes) + 1), (7, 1))
  np.testing.assert_array_equal(tokens.level_of(ids), levels)
  assert tokens.padded_vocab_size % 128 == 0
  assert 0 <= tokens.padded_vocab_size - tokens.vocab_size < 128


def test_level_of_names_every_id_of_a_small_vocabulary():
  tokens = SidTokens(3, (2, 1, 3), 10)
  levels = tokens.level_of(np.arange(10)).tolist()
  assert levels == [0, 0, 0, 1, 1, 2, 3, 3, 3, 0]


def test_codes_are_missing_where_a_token_is_of_another_level():
  tokens = SidTokens(3, (2, 2), 7)
  found = tokens.codes(np.array([[3, 6], [5, 5], [0, 4], [4, 7]]))
  assert found.tolist() == [[0, 1], [-1, 0], [-1, -1], [1, -1]]


@pytest.mark.parametrize('codes', [[[0, 2]], [[-1, 0]], [[0]], 3])
def test_token_ids_refuses_codes_beyond_the_levels(codes):
  with pytest.raises(ValueError, match='levels|shape'):
    SidTokens(3, (2, 2), 7).token_ids(np.array(codes))


@pytest.mark.parametrize(
    ('first_id', 'sizes', 'vocab_size'),
    [(3, (), 9), (3, (2, 0), 9), (0, (2,), 9), (3, (2, 2), 6)],
)
def test_sid_tokens_refuse_impossible_places(first_id, sizes, vocab_size):
  with pytest.raises(ValueError, match='level|fit'):
    SidTokens(first_id, sizes, vocab_size)
