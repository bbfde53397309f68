# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Search over the trie of valid Semantic IDs, level by level."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.decoding.candidates import Candidates
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.constraint_index import count_excluded
from plum_jax.decoding.constraint_index import NO_ITEM
from plum_jax.decoding.constraint_index import NO_NODE
from plum_jax.decoding.constraint_index import sorted_ranks
from plum_jax.decoding.constraint_index import TrieLevel
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import Chooser

State = Any
# (token ids int32 [batch, beam], state with leaves [batch, beam, ...]) ->
# (log-probabilities of the next token, float [batch, beam, vocab], new state).
StepFn = Callable[[jax.Array, State], tuple[jax.Array, State]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BeamSearchResult:
  """The best items of each user, best first.

  Attributes:
    item_ids: int32 [batch, beam_size], item numbers; `NO_ITEM` where not valid.
    scores: float32 [batch, beam_size], log-probability of the item's SID; -inf
      where not valid.
    valid: bool [batch, beam_size], false where no further item was found.
  """

  item_ids: jax.Array
  scores: jax.Array
  valid: jax.Array


def beam_search(
    first_log_probs: jax.Array,
    state: State,
    step_fn: StepFn,
    index: ConstraintIndex,
    beam_size: int,
    excluded_item_ids: jax.Array | None = None,
    strategy: Chooser = BEAM_SEARCH,
    user_seeds: jax.Array | None = None,
    allowed_item_ids: jax.Array | None = None,
) -> BeamSearchResult:
  """Finds the items whose SIDs are most probable, or other probable ones.

  At each level a beam is extended by the tokens that lead to an item, and by no
  other, so every result is an item, and no item comes twice. The score of an
  item is the sum of its tokens' log-probabilities as the model gives them; the
  mask does not change them. By default the most probable prefixes are kept:
  with a beam as wide as the widest level the search is then exhaustive.

  The number of beams at a level is min(beam_size, prefixes of that length), so
  narrow levels cost little, and `beam_size` may exceed a codebook's size.

  Args:
    first_log_probs: float [batch, vocab], log-probabilities of the first token.
    state: what `step_fn` carries, usually a key-value cache; leaves [batch, 1,
      ...], one beam a user; scalars are shared by all beams and left alone.
    step_fn: extends all beams by one token.
    index: the valid SIDs.
    beam_size: beams kept at each level, and items returned.
    excluded_item_ids: int32 [batch, num_excluded], item numbers that must not
      be returned, padded with `NO_ITEM`. Prefixes that only lead to excluded
      items are not followed.
    strategy: which prefixes are kept.
    user_seeds: uint32 [batch], a number for each user, on which the user's
      random draws depend; needed if the strategy draws.
    allowed_item_ids: int32 [batch, num_allowed], the only item numbers that may
      be returned, padded with `NO_ITEM`; None for all. Prefixes that lead to
      none of them are not followed. A user's excluded items are to be left out
      of it: both together are refused.

  Returns:
    The items, by falling score.

  Raises:
    ValueError: `beam_size` is less than 1, seeds are missing, or items are
      excluded and allowed.
  """
  if beam_size < 1:
    raise ValueError(f'beam_size must be at least 1, got {beam_size}.')
  if excluded_item_ids is not None and allowed_item_ids is not None:
    raise ValueError('Give excluded_item_ids or allowed_item_ids, not both.')
  batch_size = first_log_probs.shape[0]
  excluded = allowed = None
  if excluded_item_ids is not None and excluded_item_ids.shape[1]:
    excluded = sorted_ranks(index, excluded_item_ids)
  if allowed_item_ids is not None:
    allowed = sorted_ranks(index, allowed_item_ids)
  # The root: one beam.
  above: TrieLevel | None = None
  nodes = jnp.zeros((batch_size, 1), jnp.int32)
  scores = jnp.zeros((batch_size, 1), jnp.float32)
  log_probs = first_log_probs[:, None, :]
  carry = strategy.start(batch_size, user_seeds)
  for depth, level in enumerate(index.levels):
    width = min(beam_size, level.num_nodes)
    children, exists = _children(index, above, nodes, level)
    exists = exists & ~_only_excluded(index, level, children, excluded)
    exists = exists & _any_allowed(index, level, children, allowed)
    candidates = _candidates(index, scores, log_probs, level, children, exists)
    scores, chosen, carry = strategy.choose(carry, candidates, width, depth)
    nodes = candidates.take(children, chosen)
    parents = chosen // candidates.num_branches
    if depth + 1 == index.num_levels:
      break
    tokens = index.tokens(level, nodes)
    state = reorder(state, parents)
    log_probs, state = step_fn(tokens, state)
    above = level
  return _result(scores, index.items(nodes), beam_size)


def _only_excluded(
    index: ConstraintIndex,
    level: TrieLevel,
    nodes: jax.Array,
    excluded: jax.Array | None,
) -> jax.Array:
  """Whether nodes [batch, beam, branch] lead to excluded items alone."""
  if excluded is None:
    return jnp.zeros_like(nodes, bool)
  low, high = index.ranks(level, nodes)
  return jax.vmap(count_excluded)(excluded, low, high) == high - low


def _any_allowed(
    index: ConstraintIndex,
    level: TrieLevel,
    nodes: jax.Array,
    allowed: jax.Array | None,
) -> jax.Array:
  """Whether nodes [batch, beam, branch] lead to an item that is allowed."""
  if allowed is None:
    return jnp.ones_like(nodes, bool)
  low, high = index.ranks(level, nodes)
  return jax.vmap(count_excluded)(allowed, low, high) > 0


def _children(
    index: ConstraintIndex,
    above: TrieLevel | None,
    nodes: jax.Array,
    level: TrieLevel,
) -> tuple[jax.Array, jax.Array]:
  """Lists the children of nodes.

  Args:
    index: the valid SIDs.
    above: the nodes' level; None for the root.
    nodes: int32 [batch, beam].
    level: the children's level.

  Returns:
    Nodes of `level`, int32 [batch, beam, branch], and whether they exist; those
    that do not are some other node. A branch is a token if the level has
    `rows`.
  """
  if level.rows is not None:
    children = index.row(level.rows, nodes)
    return jnp.maximum(children, 0), children != NO_NODE
  if above is None:
    every = jnp.arange(level.num_nodes, dtype=jnp.int32)[None, None, :]
    children = jnp.broadcast_to(every, (*nodes.shape, level.num_nodes))
    return children, jnp.ones_like(children, bool)
  first, end = (x[:, :, None] for x in index.children(above, nodes))
  offsets = jnp.arange(above.max_children, dtype=jnp.int32)[None, None, :]
  children = first + offsets
  return jnp.minimum(children, end - 1), children < end


def _candidates(
    index: ConstraintIndex,
    scores: jax.Array,
    log_probs: jax.Array,
    level: TrieLevel,
    children: jax.Array,
    exists: jax.Array,
) -> Candidates:
  """Scores the children of all beams.

  Args:
    index: the valid SIDs.
    scores: float32 [batch, beam].
    log_probs: float [batch, beam, vocab], of the token after each beam.
    level: the children's level.
    children: int32 [batch, beam, branch], nodes.
    exists: bool [batch, beam, branch].

  Returns:
    The children; they are at least as many as beams are kept of the level,
    since each beam has a child, or all of its nodes are among them.
  """
  if level.rows is None:
    tokens = index.tokens(level, children)
    gained = jnp.take_along_axis(log_probs, tokens, axis=-1)
  else:
    first = level.rows.first_token
    tokens = first + jax.lax.broadcasted_iota(jnp.int32, children.shape, 2)
    gained = log_probs[:, :, first : first + children.shape[2]]
  gained = gained.astype(jnp.float32)
  candidates = scores[:, :, None] + gained
  # A NaN would win every comparison; it is no reason to return an item.
  usable = exists & ~jnp.isnan(candidates)
  candidates = jnp.where(usable, candidates, -jnp.inf)
  return Candidates(candidates, gained, tokens)


def reorder(state: State, parents: jax.Array) -> State:
  """Gives each new beam the state of its parent; leaves [batch, beam, ...]."""

  def gather(leaf):
    if leaf.ndim < 2:
      return leaf
    positions = parents.reshape(*parents.shape, *([1] * (leaf.ndim - 2)))
    return jnp.take_along_axis(leaf, positions, axis=1)

  return jax.tree.map(gather, state)


def _result(
    scores: jax.Array, item_ids: jax.Array, beam_size: int
) -> BeamSearchResult:
  """Sorts by score, marks what is no item and pads to `beam_size`."""
  scores, order = jax.lax.top_k(scores, scores.shape[1])
  item_ids = jnp.take_along_axis(item_ids, order, axis=1)
  missing = ((0, 0), (0, beam_size - scores.shape[1]))
  scores = jnp.pad(scores, missing, constant_values=-jnp.inf)
  item_ids = jnp.pad(item_ids, missing, constant_values=NO_ITEM)
  valid = scores > -jnp.inf
  return BeamSearchResult(jnp.where(valid, item_ids, NO_ITEM), scores, valid)
