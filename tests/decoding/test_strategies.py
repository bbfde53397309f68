# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sampling against exact probabilities, groups against values by hand."""

import functools
import itertools

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from plum_jax.decoding.beam_search import beam_search
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.decoding.strategies import BeamSearch
from plum_jax.decoding.strategies import DiverseBeamSearch
from plum_jax.decoding.strategies import Sampling

_VOCAB = 6
# Six items on two levels of three codes; token 5 leads nowhere.
_SIDS = np.array([[0, 3], [0, 4], [1, 3], [1, 4], [1, 0], [2, 3]])


@functools.partial(jax.jit, static_argnames=('beam_size', 'strategy'))
def _search(tables, index, beam_size, strategy, excluded=None, seeds=None):
  """Searches; tables float [num_levels, batch, vocab, vocab], by last token."""
  num_users = tables.shape[1]

  def step(token_ids, state):
    depth = state['depth'] + 1
    rows = jnp.arange(num_users)[:, None]
    return tables[depth][rows, token_ids], {'depth': depth}

  return beam_search(
      tables[0, :, 0],
      {'depth': jnp.zeros((), jnp.int32)},
      step,
      index,
      beam_size,
      excluded,
      strategy,
      seeds,
  )


def _tables(seed, num_users, num_levels=2):
  """The same random log-probabilities for all users."""
  rng = np.random.default_rng(seed)
  logits = 1.5 * rng.normal(size=(num_levels, 1, _VOCAB, _VOCAB))
  tables = jax.nn.log_softmax(logits, axis=-1).astype(np.float32)
  return jnp.repeat(tables, num_users, axis=1)


def _item_scores(tables):
  """Log-probability of each of `_SIDS`, float [num_items]."""
  tables = np.asarray(tables[:, 0], np.float64)
  return np.array([tables[0, 0, a] + tables[1, a, b] for a, b in _SIDS])


def _item_probabilities(tables, temperature, allowed):
  """What `Sampling` says that it draws from, one item after the other."""
  tables = np.asarray(tables[:, 0], np.float64) / temperature
  sids = _SIDS[allowed]

  def normalised(logits, tokens):
    weights = {token: np.exp(logits[token]) for token in tokens}
    return {token: w / sum(weights.values()) for token, w in weights.items()}

  first = normalised(tables[0, 0], set(sids[:, 0].tolist()))
  return np.array(
      [
          first[a] * normalised(tables[1, a], sids[sids[:, 0] == a, 1])[b]
          for a, b in sids
      ]
  )


def _set_probability(chosen, probabilities):
  """Probability of a set of draws without replacement, in any order."""
  total = 0.0
  for order in itertools.permutations(chosen):
    left, product = 1.0, 1.0
    for item in order:
      product *= probabilities[item] / left
      left -= probabilities[item]
    total += product
  return total


@pytest.mark.parametrize(
    ('k', 'temperature', 'excluded'),
    [
        (1, 1.0, ()),
        (2, 1.0, ()),
        (3, 2.0, ()),
        (2, 0.7, (3, 5)),
        (3, 1.0, (0,)),
    ],
)
def test_samples_come_as_often_as_their_exact_probabilities_say(
    k, temperature, excluded
):
  num_draws = 4000
  tables = _tables(k, num_draws)
  exclude = np.tile(np.array([*excluded, -1], np.int32), (num_draws, 1))
  result = _search(
      tables,
      build_constraint_index(_SIDS),
      k,
      Sampling(temperature, seed=3),
      exclude,
      jnp.arange(num_draws, dtype=jnp.uint32),
  )
  assert np.asarray(result.valid).all()
  allowed = [n for n in range(len(_SIDS)) if n not in excluded]
  probabilities = _item_probabilities(tables, temperature, allowed)
  assert probabilities.sum() == pytest.approx(1)
  found = np.searchsorted(allowed, np.sort(result.item_ids, axis=1))
  sets = list(itertools.combinations(range(len(allowed)), k))
  counts = [np.all(found == chosen, axis=1).sum() for chosen in sets]
  assert sum(counts) == num_draws
  expected = [num_draws * _set_probability(s, probabilities) for s in sets]
  assert scipy.stats.chisquare(counts, expected).pvalue > 0.01
  # The test would tell if items were drawn by their own log-probabilities.
  wrong = np.full(len(sets), num_draws / len(sets))
  assert scipy.stats.chisquare(counts, wrong).pvalue < 1e-6
  np.testing.assert_allclose(
      result.scores, _item_scores(tables)[result.item_ids], atol=1e-5
  )
  assert (np.diff(result.scores) <= 0).all()


def test_samples_do_not_depend_on_who_else_is_in_the_batch():
  seeds = jnp.array([7, 11, 5, 2, 9, 4], jnp.uint32)
  index = build_constraint_index(_SIDS)
  rng = np.random.default_rng(0)
  tables = jnp.asarray(rng.normal(size=(2, 6, _VOCAB, _VOCAB)), jnp.float32)
  whole = _search(tables, index, 3, Sampling(seed=1), seeds=seeds)
  rows = jnp.array([4, 1])
  part = _search(tables[:, rows], index, 3, Sampling(seed=1), seeds=seeds[rows])
  np.testing.assert_array_equal(whole.item_ids[rows], part.item_ids)
  again = _search(tables, index, 3, Sampling(seed=1), seeds=seeds)
  np.testing.assert_array_equal(whole.item_ids, again.item_ids)
  other = _search(tables, index, 3, Sampling(seed=2), seeds=seeds)
  assert (np.asarray(whole.item_ids) != np.asarray(other.item_ids)).any()


def test_sampling_at_low_temperature_is_beam_search():
  tables = _tables(5, 3)
  index = build_constraint_index(_SIDS)
  seeds = jnp.arange(3, dtype=jnp.uint32)
  cold = _search(tables, index, 3, Sampling(1e-4), seeds=seeds)
  # Over valid tokens alone, which the order of all items need not follow: the
  # most probable first code and then the best below it.
  probabilities = _item_probabilities(tables, 1e-2, list(range(len(_SIDS))))
  assert (np.asarray(cold.item_ids) == probabilities.argmax()).any(axis=1).all()
  assert (np.asarray(cold.item_ids) == np.asarray(cold.item_ids[:1])).all()


def _hand_search(beam_size, strategy):
  """Items (0,2) -.6, (0,3) -.7, (1,2) -1.1, (1,4) -1.3."""
  tables = np.full((2, 1, _VOCAB, _VOCAB), -9, np.float32)
  tables[0, 0, 0, :2] = [-0.1, -1.0]
  tables[1, 0, 0, 2:4] = [-0.5, -0.6]
  tables[1, 0, 1, [2, 4]] = [-0.1, -0.3]
  index = build_constraint_index(np.array([[0, 2], [0, 3], [1, 2], [1, 4]]))
  result = _search(tables, index, beam_size, strategy)
  return result.item_ids[0].tolist(), result.scores[0].tolist()


@pytest.mark.parametrize(
    ('beam_size', 'groups', 'penalty', 'items'),
    [
        # The second group: (0,3) -.7 - p, (1,2) -1.1 - p, (1,4) -1.3.
        (2, 2, 0.0, [0, 1]),
        (2, 2, 0.5, [0, 1]),
        (2, 2, 0.7, [0, 3]),
        # Groups of two and one: after (0,2) and (0,3), (1,2) loses p, (1,4)
        # nothing.
        (3, 2, 0.1, [0, 1, 2]),
        (3, 2, 0.3, [0, 1, 3]),
        # Three groups, p = .25: (0,2); (0,3) at -.95; then (1,2) at -1.35 loses
        # to (1,4).
        (3, 3, 0.25, [0, 1, 3]),
        # p = .7: (0,2); (1,4); then (0,3) at -1.4 before (1,2) at -2.5, which
        # shares its last code with the first and its first with the second.
        (3, 3, 0.7, [0, 1, 3]),
        (4, 9, 5.0, [0, 1, 2, 3]),
        (2, 1, 5.0, [0, 1]),
    ],
)
def test_groups_choose_what_their_penalties_say(
    beam_size, groups, penalty, items
):
  found, scores = _hand_search(beam_size, DiverseBeamSearch(groups, penalty))
  assert found == items
  # Scores are the model's: the penalty is not in them.
  expected = np.array([-0.6, -0.7, -1.1, -1.3])[items]
  np.testing.assert_allclose(scores, expected, rtol=1e-5)


def _random_case(seed, num_items):
  # One trie for each number of items, so that few programs are compiled.
  rng = np.random.default_rng(num_items)
  sids = np.stack(
      np.unravel_index(rng.permutation(125)[:num_items], (5, 5, 5)), axis=1
  )
  rng = np.random.default_rng(seed)
  tables = rng.normal(size=(3, 2, _VOCAB, _VOCAB)).astype(np.float32) * 2
  scores = np.array(
      [
          tables[0, :, 0, a] + tables[1, :, a, b] + tables[2, :, b, c]
          for a, b, c in sids
      ]
  ).T
  return tables, sids, scores


@pytest.mark.parametrize('num_groups', [1, 3])
def test_groups_without_penalty_are_beam_search(num_groups):
  tables, sids, _ = _random_case(num_groups, 40)
  index = build_constraint_index(sids)
  beams = _search(tables, index, 8, BeamSearch())
  groups = _search(tables, index, 8, DiverseBeamSearch(num_groups, 0.0))
  np.testing.assert_array_equal(beams.item_ids, groups.item_ids)
  np.testing.assert_array_equal(beams.scores, groups.scores)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(
        [
            (4, 9, Sampling(1.5)),
            (30, 9, Sampling(1.5)),
            (4, 3, DiverseBeamSearch(2, 1.0)),
            (30, 9, DiverseBeamSearch(3, 4.0)),
        ]
    ),
    st.integers(0, 29),
)
def test_all_places_hold_different_allowed_items_as_long_as_there_are_some(
    seed, case, num_excluded
):
  num_items, beam_size, strategy = case
  tables, sids, scores = _random_case(seed, num_items)
  rng = np.random.default_rng(seed)
  excluded = np.full((2, 29), -1, np.int32)
  for row in excluded:
    row[:num_excluded] = rng.integers(0, num_items, num_excluded)
  result = _search(
      tables,
      build_constraint_index(sids),
      beam_size,
      strategy,
      excluded,
      jnp.arange(2, dtype=jnp.uint32),
  )
  for user in range(2):
    allowed = set(range(num_items)) - set(excluded[user].tolist())
    valid = np.asarray(result.valid[user])
    items = np.asarray(result.item_ids[user])[valid]
    assert (
        len(items) == len(set(items.tolist())) == min(beam_size, len(allowed))
    )
    assert set(items.tolist()) <= allowed
    found = np.asarray(result.scores[user])[valid]
    np.testing.assert_allclose(found, scores[user, items], atol=1e-4)
    assert (np.diff(found) <= 0).all()
    assert valid[: len(items)].all()


@pytest.mark.parametrize(
    'make',
    [
        lambda: Sampling(0.0),
        lambda: Sampling(float('nan')),
        lambda: DiverseBeamSearch(num_groups=0),
        lambda: DiverseBeamSearch(penalty=-1.0),
        lambda: _search(
            _tables(0, 1), build_constraint_index(_SIDS), 2, Sampling()
        ),
    ],
)
def test_strategies_refuse_what_makes_no_sense(make):
  with pytest.raises(ValueError, match='must be at least|above 0|user_seeds'):
    make()
