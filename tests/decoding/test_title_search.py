# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The trie of titles walked by hand; its search against brute force."""

import functools

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding import title_search
from plum_jax.decoding.title_trie import build_title_trie

_EOS = 1
_VOCAB = 8
_NUM_HASHES = 13
# Prefixes of others, duplicates, one token and many.
_TITLES = [
    [2, 3],
    [2],
    [2, 3, 4, 5, 6],
    [7],
    [2, 3],
    [4, 4, 4],
    [2, 4],
    [2, 3],
    [4, 4],
    [3, 2, 2, 2, 2, 2, 7],
]


def _random_titles(seed, num_items):
  rng = np.random.default_rng(seed)
  return [
      rng.integers(2, 5, rng.integers(1, 6)).tolist() for _ in range(num_items)
  ]


@functools.partial(jax.jit, static_argnames='beam_size')
def _search(table, trie, beam_size, excluded=None):
  """Searches; table float [batch, num_hashes, vocab], by hashed prefix."""
  num_users = table.shape[0]

  def step(token_ids, state):
    prefix = (state['prefix'] * 7 + token_ids + 1) % _NUM_HASHES
    logits = table[jnp.arange(num_users)[:, None], prefix]
    return logits, {'prefix': prefix}

  state = {'prefix': jnp.zeros((num_users, 1), jnp.int32)}
  return title_search.title_search(
      table[:, 0], state, step, trie, beam_size, excluded
  )


def _brute_force(table, titles):
  """Scores every title: float [batch, num_items]."""
  log_probs = np.asarray(jax.nn.log_softmax(table, axis=-1), np.float64)
  scores = np.zeros((len(table), len(titles)))
  for item, title in enumerate(titles):
    prefix = 0
    for token in [*title, _EOS]:
      scores[:, item] += log_probs[:, prefix, token]
      prefix = (prefix * 7 + token + 1) % _NUM_HASHES
  return scores


def _table(seed, num_users=2):
  rng = np.random.default_rng(seed)
  shape = (num_users, _NUM_HASHES, _VOCAB)
  return (2 * rng.normal(size=shape)).astype(np.float32)


def _check(result, scores, titles, allowed, beam_size):
  """Holds a search that is exhaustive against the scores of all items."""
  for user in range(len(scores)):
    order = sorted(
        np.flatnonzero(allowed[user]).tolist(),
        # Equal titles have equal scores, and come by item number.
        key=lambda item: (-round(scores[user, item], 3), titles[item], item),
    )
    expected = order[:beam_size]
    valid = np.asarray(result.valid[user])
    assert valid.tolist() == [n < len(expected) for n in range(beam_size)]
    items = np.asarray(result.item_ids[user])
    assert (items[~valid] == -1).all()
    assert np.isneginf(np.asarray(result.scores[user])[~valid]).all()
    assert (np.asarray(result.num_sharing[user])[~valid] == 0).all()
    items = items[valid]
    assert items.tolist() == expected
    np.testing.assert_allclose(
        np.asarray(result.scores[user])[valid], scores[user, items], atol=1e-4
    )
    for item, count in zip(items, result.num_sharing[user], strict=False):
      assert count == titles.count(titles[item])


def _walk(trie, nodes, prefix=()):
  """Yields (title, items), following the arrays as a reader would."""
  for node in nodes:
    title = (*prefix, int(trie.token_ids[node]))
    first, end = (int(trie.first_children[node + n]) for n in (0, 1))
    ranks = range(int(trie.first_ranks[node]), int(trie.end_ranks[node]))
    items = [int(trie.item_ids[rank]) for rank in ranks]
    if first == end:
      yield title, items
    else:
      assert end - first <= trie.max_children[len(prefix)]
      found = list(_walk(trie, range(first, end), title))
      assert [item for _, below in found for item in below] == items
      yield from found


@pytest.mark.parametrize(
    'titles', [_TITLES, [[5]], [[5], [5]], _random_titles(0, 200)]
)
def test_trie_holds_every_title_with_its_items(titles):
  trie = build_title_trie(titles, eos_id=_EOS)
  found = dict(_walk(trie, range(trie.num_first)))
  expected = {}
  for item, title in enumerate(titles):
    expected.setdefault((*title, _EOS), []).append(item)
  assert found == expected
  assert trie.num_titles == len(expected)
  assert trie.num_levels == max(map(len, titles)) + 1
  np.testing.assert_array_equal(
      trie.item_ids[trie.item_ranks], np.arange(len(titles))
  )


def test_trie_holds_a_prefix_once_and_nothing_after_an_end():
  trie = build_title_trie(_TITLES, eos_id=_EOS)
  prefixes = {
      tuple([*title, _EOS][: length + 1])
      for title in _TITLES
      for length in range(len(title) + 1)
  }
  assert trie.num_nodes == len(prefixes)


@pytest.mark.parametrize(
    ('titles', 'match'),
    [
        ([], 'no title'),
        ([[3], [], [4], []], r'item 1 \(b\) is empty.*1 more'),
        ([[3], [4, 1, 5]], r'item 1 \(b\) has the token 1'),
        ([[3], [4], [-1]], r'item 2 \(c\) has the token -1'),
    ],
)
def test_trie_refuses_titles_that_cannot_be_generated(titles, match):
  with pytest.raises(ValueError, match=match):
    build_title_trie(titles, eos_id=_EOS, item_names=['a', 'b', 'c', 'd'])


@pytest.mark.parametrize('beam_size', [8, 10, 15])
def test_search_with_a_wide_beam_finds_all_titles_in_order(beam_size):
  table = _table(beam_size)
  result = _search(table, build_title_trie(_TITLES, eos_id=_EOS), beam_size)
  scores = _brute_force(table, _TITLES)
  _check(result, scores, _TITLES, np.ones_like(scores, bool), beam_size)


def test_search_in_levels_compiled_one_by_one_gives_the_same(monkeypatch):
  table = _table(4)
  trie = build_title_trie(_TITLES, eos_id=_EOS)
  loop = _search(table, trie, 9)
  monkeypatch.setattr(title_search, '_MAX_LOOP_CHILDREN', 1)
  _search.clear_cache()
  assert title_search._num_single_levels(trie.max_children) > 1
  single = _search(table, trie, 9)
  _search.clear_cache()
  np.testing.assert_array_equal(loop.item_ids, single.item_ids)
  np.testing.assert_array_equal(loop.scores, single.scores)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40))
def test_search_never_returns_excluded_items_and_fills_all_places(
    seed, num_excluded
):
  # Shapes of one trie, so that few programs are compiled.
  titles = _random_titles(1, 40)
  table = _table(seed)
  rng = np.random.default_rng(seed)
  excluded = np.full((2, 42), -1, np.int32)
  excluded[0, :num_excluded] = rng.permutation(40)[:num_excluded]
  excluded[0, num_excluded : num_excluded + 2] = excluded[0, 0]
  excluded[1, 40 - num_excluded :] = rng.integers(0, 40, 2 + num_excluded)
  allowed = np.ones((2, 40), bool)
  for row, mask in zip(excluded, allowed, strict=True):
    mask[row[row >= 0]] = False
  trie = build_title_trie(titles, eos_id=_EOS)
  result = _search(table, trie, 40, excluded)
  scores = _brute_force(table, titles)
  _check(result, scores, titles, allowed, 40)
  narrow = _search(table, trie, 4, excluded)
  for user in range(2):
    items = np.asarray(narrow.item_ids[user])
    valid = np.asarray(narrow.valid[user])
    assert valid.sum() == min(4, allowed[user].sum())
    assert allowed[user][items[valid]].all()
    assert len(set(items[valid].tolist())) == valid.sum()
    np.testing.assert_allclose(
        np.asarray(narrow.scores[user])[valid],
        scores[user, items[valid]],
        atol=1e-4,
    )


def test_search_leaves_out_what_the_model_calls_impossible():
  table = np.zeros((1, _NUM_HASHES, _VOCAB), np.float32)
  table[0, 0, 2:4] = -np.inf
  result = _search(table, build_title_trie(_TITLES, eos_id=_EOS), 10)
  items = [item for item in result.item_ids[0].tolist() if item >= 0]
  assert sorted(items) == [3, 5, 8]
  assert np.isfinite(np.asarray(result.scores[0, :3])).all()


def test_search_refuses_an_empty_beam():
  with pytest.raises(ValueError, match='at least 1'):
    _search(_table(0), build_title_trie(_TITLES, eos_id=_EOS), 0)
