# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""An index with room finds what the same index without room finds."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding.beam_search import beam_search
from plum_jax.decoding.index_building import build_constraint_index

_CODES, _USERS = 6, 3


@functools.partial(jax.jit, static_argnames=('beam_size', 'kind'))
def _search(log_probs, index, items, beam_size, kind):
  """Searches under a model that sees the level and the last token."""

  def step(token_ids, depth):
    depth = depth + 1
    users = jnp.arange(_USERS)[:, None]
    return log_probs[depth, users, token_ids + 1], depth

  return beam_search(
      log_probs[0, :, 0],
      jnp.zeros((), jnp.int32),
      step,
      index,
      beam_size,
      **{kind: items},
  )


def _sids(num_items):
  order = np.random.default_rng(num_items).permutation(_CODES**3)[:num_items]
  return np.stack(np.unravel_index(order, (_CODES,) * 3), axis=1)


@pytest.mark.parametrize(
    ('num_items', 'beam_size', 'kind'),
    [
        (1, 3, 'excluded_item_ids'),
        (33, 7, 'allowed_item_ids'),
        (100, 128, 'excluded_item_ids'),
    ],
)
def test_room_changes_no_result(num_items, beam_size, kind):
  rng = np.random.default_rng(0)
  log_probs = jax.nn.log_softmax(
      2 * rng.normal(size=(3, _USERS, _CODES + 1, _CODES)).astype(np.float32)
  )
  items = np.full((_USERS, 9), -1, np.int32)
  items[1:] = rng.integers(0, num_items, (_USERS - 1, 9))
  index = build_constraint_index(_sids(num_items))
  expected = _search(log_probs, index, items, beam_size, kind)
  roomy = build_constraint_index(_sids(num_items), with_room=True)
  found = _search(log_probs, roomy, items, beam_size, kind)
  for one, other in zip(
      jax.tree.leaves(expected), jax.tree.leaves(found), strict=True
  ):
    np.testing.assert_array_equal(one, other)
