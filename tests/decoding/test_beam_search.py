# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Beam search against brute force over all items."""

import functools

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding.beam_search import beam_search
from plum_jax.decoding.index_building import build_constraint_index

_NUM_CODES = 5


@functools.partial(jax.jit, static_argnames='beam_size')
def _search(tables, index, beam_size, excluded=None, allowed=None):
  """Searches under a language model that sees the whole prefix.

  Args:
    tables: float [num_levels, batch, num_hashes, vocab], logits by level and by
      a hash of the prefix.
    index: the constraint index.
    beam_size: beams.
    excluded: items that must not be returned.
    allowed: the only items that may be returned.

  Returns:
    The result of the beam search.
  """
  log_probs = jax.nn.log_softmax(tables, axis=-1)
  num_users, num_hashes = tables.shape[1:3]

  def step(token_ids, state):
    depth = state['depth'] + 1
    prefix = (state['prefix'] * 7 + token_ids + 1) % num_hashes
    values = log_probs[depth][jnp.arange(num_users)[:, None], prefix]
    return values, {'depth': depth, 'prefix': prefix}

  state = {
      'depth': jnp.zeros((), jnp.int32),
      'prefix': jnp.zeros((num_users, 1), jnp.int32),
  }
  return beam_search(
      log_probs[0, :, 0],
      state,
      step,
      index,
      beam_size,
      excluded,
      allowed_item_ids=allowed,
  )


def _brute_force(tables, sids):
  """Scores every item of every user: float [batch, num_items]."""
  log_probs = np.asarray(jax.nn.log_softmax(tables, axis=-1))
  num_levels, num_users, num_hashes, _ = tables.shape
  scores = np.zeros((num_users, len(sids)))
  for item, sid in enumerate(sids):
    prefix = 0
    for level in range(num_levels):
      scores[:, item] += log_probs[level, :, prefix, sid[level]]
      prefix = (prefix * 7 + sid[level] + 1) % num_hashes
  return scores


def _case(seed, num_items, num_levels, num_users=3):
  rng = np.random.default_rng(seed)
  sids = np.stack(
      np.unravel_index(
          rng.permutation(_NUM_CODES**num_levels)[:num_items],
          (_NUM_CODES,) * num_levels,
      ),
      axis=1,
  )
  tables = rng.normal(size=(num_levels, num_users, 11, _NUM_CODES)) * 2
  return tables.astype(np.float32), sids


def _check(result, scores, allowed):
  """Holds a result against the scores of all allowed items."""
  for user in range(len(scores)):
    valid = np.asarray(result.valid[user])
    items = np.asarray(result.item_ids[user])
    assert valid.sum() == min(len(valid), allowed[user].sum())
    # Valid results come first; the rest is marked.
    assert not (~valid[:-1] & valid[1:]).any()
    assert (items[~valid] == -1).all()
    assert np.isneginf(result.scores[user][~valid]).all()
    items = items[valid]
    assert len(set(items.tolist())) == len(items)
    assert allowed[user][items].all()
    best = np.sort(scores[user][allowed[user]])[::-1][: len(items)]
    np.testing.assert_allclose(scores[user][items], best, atol=1e-4)
    np.testing.assert_allclose(
        result.scores[user][: len(items)], best, atol=1e-4
    )


@pytest.mark.parametrize(
    ('num_items', 'num_levels', 'beam_size'),
    [
        (60, 3, 60),  # as wide as the catalog
        (60, 3, 25),  # as wide as the second to last level: still exhaustive
        (4, 3, 10),  # fewer items than beams
        (1, 1, 3),
        (5, 1, 2),
        (3, 2, 40),  # wider than a codebook and than the catalog
    ],
)
def test_search_finds_the_best_items_when_the_beam_is_wide(
    num_items, num_levels, beam_size
):
  tables, sids = _case(num_items + beam_size, num_items, num_levels)
  result = _search(tables, build_constraint_index(sids), beam_size)
  scores = _brute_force(tables, sids)
  _check(result, scores, np.ones_like(scores, bool))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 12))
def test_search_returns_only_items_and_no_item_twice(
    seed, num_items, beam_size
):
  # A few shapes only, so that few programs are compiled.
  num_items = 1 + num_items // 20 * 20
  beam_size = 1 + beam_size // 4 * 4
  tables, sids = _case(seed, num_items, 3)
  result = _search(tables, build_constraint_index(sids), beam_size)
  scores = _brute_force(tables, sids)
  for user in range(len(scores)):
    items = np.asarray(result.item_ids[user])[np.asarray(result.valid[user])]
    assert 1 <= len(items) <= beam_size
    assert len(set(items.tolist())) == len(items)
    np.testing.assert_allclose(
        result.scores[user][: len(items)], scores[user][items], atol=1e-4
    )
    assert (np.diff(result.scores[user][: len(items)]) <= 0).all()


def test_search_never_returns_excluded_items():
  tables, sids = _case(3, 60, 3)
  scores = _brute_force(tables, sids)
  allowed = np.ones_like(scores, bool)
  rng = np.random.default_rng(0)
  excluded = np.full((3, 70), -1, np.int32)
  for user, count in enumerate((0, 20, 58)):
    chosen = rng.permutation(60)[:count]
    excluded[user, :count] = chosen
    # Repetitions, as a history has them.
    excluded[user, count : count + 5] = chosen[0] if count else -1
    allowed[user, chosen] = False
  result = _search(tables, build_constraint_index(sids), 60, excluded)
  _check(result, scores, allowed)


def test_search_does_not_waste_beams_on_prefixes_of_excluded_items():
  # The best first token leads to excluded items alone; with one beam, a search
  # that noticed only at the end would come back empty.
  sids = np.array([[0, 0], [0, 1], [1, 0]])
  tables = np.zeros((2, 1, 11, _NUM_CODES), np.float32)
  tables[0, 0, 0, 0] = 5.0
  excluded = np.array([[0, 1]], np.int32)
  result = _search(tables, build_constraint_index(sids), 1, excluded)
  assert result.item_ids.tolist() == [[2]]


@pytest.mark.parametrize('beam_size', [60, 4])
def test_search_returns_allowed_items_alone(beam_size):
  tables, sids = _case(4, 60, 3)
  scores = _brute_force(tables, sids)
  allowed = np.zeros_like(scores, bool)
  rng = np.random.default_rng(0)
  listed = np.full((3, 70), -1, np.int32)
  for user, count in enumerate((0, 4, 60)):
    chosen = rng.permutation(60)[:count]
    listed[user, :count] = chosen
    listed[user, count : count + 2] = chosen[0] if count else -1
    allowed[user, chosen] = True
  result = _search(
      tables, build_constraint_index(sids), beam_size, None, listed
  )
  if beam_size == 60:
    _check(result, scores, allowed)
  # However narrow the beam, as many come as it has places.
  assert result.valid.sum(axis=1).tolist() == [0, 4, min(60, beam_size)]
  for user in range(3):
    found = np.asarray(result.item_ids[user])
    assert allowed[user][found[found >= 0]].all()


def test_search_refuses_allowed_and_excluded_items_together():
  tables, sids = _case(5, 10, 2)
  items = np.zeros((3, 1), np.int32)
  with pytest.raises(ValueError, match='not both'):
    _search(tables, build_constraint_index(sids), 2, items, items)


def test_search_leaves_out_what_the_model_calls_impossible_or_nan():
  sids = np.array([[0, 0], [1, 0], [2, 0]])
  log_probs = jnp.array([[jnp.nan, -jnp.inf, -1.0, 0.0, 0.0]])

  def step(token_ids, state):
    return jnp.zeros((*token_ids.shape, _NUM_CODES)), state

  result = beam_search(log_probs, {}, step, build_constraint_index(sids), 3)
  assert result.item_ids.tolist() == [[2, -1, -1]]
  assert result.valid.tolist() == [[True, False, False]]


def test_search_refuses_an_empty_beam():
  with pytest.raises(ValueError, match='at least 1'):
    beam_search(
        jnp.zeros((1, 2)),
        {},
        lambda tokens, state: (tokens, state),
        build_constraint_index(np.array([[0]])),
        0,
    )
