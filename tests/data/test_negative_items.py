# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import collections

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data.negative_items import NegativeItems

_SEED = tf.constant([1, 2])


def test_draws_have_the_shares_of_what_is_left():
  counts = np.array([2, 0, 3, 5, 7])
  for sampling, expected in (
      ('popularity', {0: 0.2, 2: 0.3, 3: 0.5}),
      ('uniform', {0: 1 / 3, 2: 1 / 3, 3: 1 / 3}),
  ):
    negatives = NegativeItems(counts, sampling)
    drawn, any_left = negatives.draw(tf.constant([4, 4, 1]), [100, 200], _SEED)
    assert any_left
    found = collections.Counter(drawn.numpy().ravel().tolist())
    assert set(found) == set(expected)
    for item, share in expected.items():
      assert found[item] / 20_000 == pytest.approx(share, abs=0.02)


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any),
    data=st.data(),
)
def test_own_items_and_unknown_ones_are_never_drawn(counts, data):
  own = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=12))
  sampling = data.draw(st.sampled_from(['uniform', 'popularity']))
  negatives = NegativeItems(np.array(counts), sampling)
  allowed = {i for i, count in enumerate(counts) if count} - set(own)
  own = tf.constant(own, tf.int32)
  drawn, any_left = negatives.draw(own, [300], _SEED)
  assert bool(any_left) == bool(allowed)
  if allowed:
    assert set(drawn.numpy().tolist()) == allowed
  rows = negatives.draw_distinct(own, tf.constant(5), 3, _SEED)
  assert len(rows.to_list()) == 5
  for row in rows.to_list():
    assert len(set(row)) == len(row) <= 3
    assert set(row) <= allowed
    if sampling == 'uniform' and len(allowed) >= 3:
      assert len(row) == 3


def test_draws_follow_from_the_seed():
  negatives = NegativeItems(np.ones(1000, int), 'uniform')
  own = tf.constant([5])
  first, _ = negatives.draw(own, [20], _SEED)
  again, _ = negatives.draw(own, [20], _SEED)
  other, _ = negatives.draw(own, [20], tf.constant([1, 3]))
  assert first.numpy().tolist() == again.numpy().tolist()
  assert first.numpy().tolist() != other.numpy().tolist()


def test_unknown_sampling_and_no_items_are_refused():
  with pytest.raises(InputError, match="no sampling of negatives 'hard'"):
    NegativeItems(np.ones(3, int), 'hard')
  with pytest.raises(InputError, match='No item occurs'):
    NegativeItems(np.zeros(3, int), 'uniform')
