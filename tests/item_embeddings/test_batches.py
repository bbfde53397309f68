# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches of texts of like length."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from plum_jax.item_embeddings import batches

_BUCKETS = (4, 8, 16)
_NUM_ROWS = (8, 4, 2)


@given(st.lists(st.integers(1, 16), max_size=60))
def test_plan_takes_each_text_once_in_a_batch_that_holds_it(lengths):
  lengths = np.array(lengths, np.int64)
  planned = batches.plan(lengths, _BUCKETS, _NUM_ROWS)
  for rows, bucket in planned:
    assert len(rows) <= _NUM_ROWS[bucket]
    longest = lengths[rows].max()
    assert longest <= _BUCKETS[bucket]
    assert bucket == 0 or longest > _BUCKETS[bucket - 1]
  for rows, bucket in planned[:-1]:
    assert len(rows) == _NUM_ROWS[bucket]
  taken = [row for rows, _ in planned for row in rows.tolist()]
  assert sorted(taken) == list(range(len(lengths)))


def test_padded_puts_tokens_left_and_zeros_behind_them():
  texts = batches.TokenizedTexts(
      np.array([5, 6, 7, 8, 9], np.int32), np.array([0, 2, 5])
  )
  token_ids, mask = texts.padded(np.array([1, 0]), num_rows=3, length=4)
  np.testing.assert_array_equal(token_ids[:2], [[7, 8, 9, 0], [5, 6, 0, 0]])
  np.testing.assert_array_equal(mask.sum(axis=1), [3, 2, 1])
  assert token_ids.dtype == np.int32
  assert mask.dtype == np.bool_
