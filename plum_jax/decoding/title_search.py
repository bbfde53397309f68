# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Beam search over the trie of titles."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.decoding.beam_search import reorder
from plum_jax.decoding.constraint_index import count_excluded
from plum_jax.decoding.constraint_index import NO_ITEM
from plum_jax.decoding.title_trie import TitleTrie
from plum_jax.decoding.token_scores import token_log_probs

State = Any
# (token ids int32 [batch, beam], state with leaves [batch, beam, ...]) ->
# (logits of the next token, float [batch, beam, vocab], new state).
LogitsFn = Callable[[jax.Array, State], tuple[jax.Array, State]]

# Levels with more children than this are searched one by one, the first few at
# most; all others share one program, as wide as the widest of them. Our choice.
_MAX_LOOP_CHILDREN = 64
_MAX_SINGLE_LEVELS = 4


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TitleSearchResult:
  """The items of the best titles, best first.

  Items with the same title follow each other in the order of their numbers,
  with equal scores; the last title may be cut short.

  Attributes:
    item_ids: int32 [batch, beam_size], item numbers; `NO_ITEM` where not valid.
    scores: float32 [batch, beam_size], log-probability of the item's title and
      its end; -inf where not valid.
    valid: bool [batch, beam_size], false where no further item was found.
    num_sharing: int32 [batch, beam_size], how many items of the catalog have
      this title, the item itself and excluded ones among them; 1 where a title
      says which item is meant, 0 where not valid.
  """

  item_ids: jax.Array
  scores: jax.Array
  valid: jax.Array
  num_sharing: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Beams:
  """Prefixes and whole titles: scores float32, nodes int32, [batch, beam]."""

  scores: jax.Array
  nodes: jax.Array


def title_search(
    first_logits: jax.Array,
    state: State,
    logits_fn: LogitsFn,
    trie: TitleTrie,
    beam_size: int,
    excluded_item_ids: jax.Array | None = None,
) -> TitleSearchResult:
  """Finds the items whose titles are most probable.

  As in `beam_search`, beams are extended by tokens that lead to an item alone.
  A beam that has come to the end of its title keeps its score and its place
  among the beams, as long as no `beam_size` others are better; since scores
  only fall, that is no loss. The score is the log-probability of the whole
  title, its end included. It is not divided by the length, so that it is the
  likelihood of the title and comparable with other ways to compute that; long
  titles then score less than short ones.

  The first levels are compiled one by one if they branch widely; the others are
  a loop, which ends when all beams have.

  Args:
    first_logits: float [batch, vocab], of the first token.
    state: see `beam_search`.
    logits_fn: extends all beams by one token.
    trie: the titles.
    beam_size: titles kept at each level, and items returned.
    excluded_item_ids: see `beam_search`. Titles that only excluded items have
      are not followed.

  Returns:
    The items.

  Raises:
    ValueError: `beam_size` is less than 1.
  """
  if beam_size < 1:
    raise ValueError(f'beam_size must be at least 1, got {beam_size}.')
  batch_size = first_logits.shape[0]
  if excluded_item_ids is None or not excluded_item_ids.shape[1]:
    excluded_item_ids = jnp.full((batch_size, 1), NO_ITEM, jnp.int32)
  excluded = _sorted_ranks(trie, excluded_item_ids)
  width = min(beam_size, trie.num_titles)
  roots = jnp.broadcast_to(
      jnp.arange(trie.num_first, dtype=jnp.int32)[None, None, :],
      (batch_size, 1, trie.num_first),
  )
  tokens = jnp.take(trie.token_ids, roots)
  beams, parents = _choose(
      trie,
      token_log_probs(first_logits[:, None, :], tokens),
      roots,
      excluded,
      width,
  )
  state = reorder(state, parents)

  def extend(beams, state, num_branches):
    """Takes all beams to the next level."""
    logits, state = logits_fn(jnp.take(trie.token_ids, beams.nodes), state)
    scores, children = _children(trie, beams, logits, num_branches)
    beams, parents = _choose(trie, scores, children, excluded, width)
    return beams, reorder(state, parents)

  single = _num_single_levels(trie.max_children)
  for num_branches in trie.max_children[:single]:
    beams, state = extend(beams, state, num_branches)

  # The last level has no children.
  rest = trie.max_children[single:-1]
  if rest:

    def goes_on(carry):
      level, beams, _ = carry
      open_beams = ~_is_title(trie, beams.nodes) & (beams.scores > -jnp.inf)
      return (level < len(rest)) & jnp.any(open_beams)

    def body(carry):
      level, beams, state = carry
      return level + 1, *extend(beams, state, max(rest))

    start = (jnp.zeros((), jnp.int32), beams, state)
    beams = jax.lax.while_loop(goes_on, body, start)[1]
  return _result(trie, beams, excluded, beam_size)


def _num_single_levels(max_children: tuple[int, ...]) -> int:
  """Says how many levels are compiled one by one.

  >>> _num_single_levels((900, 70, 3, 1, 0)), _num_single_levels((5, 3, 0))
  (2, 0)
  """
  wide = [
      level + 1
      for level, children in enumerate(max_children)
      if children > _MAX_LOOP_CHILDREN
  ]
  levels = min(max(wide, default=0), _MAX_SINGLE_LEVELS)
  return min(levels, len(max_children) - 1)


def _is_title(trie: TitleTrie, nodes: jax.Array) -> jax.Array:
  first, end = (jnp.take(trie.first_children, nodes + n) for n in (0, 1))
  return first == end


def _children(
    trie: TitleTrie, beams: _Beams, logits: jax.Array, num_branches: int
) -> tuple[jax.Array, jax.Array]:
  """Lists the children of all beams; a whole title is its own only child.

  Args:
    trie: the titles.
    beams: the beams.
    logits: float [batch, beam, vocab], after each beam.
    num_branches: as many children as there may be.

  Returns:
    Scores float32 [batch, beam, num_branches], -inf where there is no child,
    and nodes int32.
  """
  first = jnp.take(trie.first_children, beams.nodes)[:, :, None]
  end = jnp.take(trie.first_children, beams.nodes + 1)[:, :, None]
  whole = first == end
  branch = jnp.arange(num_branches, dtype=jnp.int32)[None, None, :]
  children = jnp.where(
      whole, beams.nodes[:, :, None], jnp.minimum(first + branch, end - 1)
  )
  exists = jnp.where(whole, branch == 0, first + branch < end)
  gained = token_log_probs(logits, jnp.take(trie.token_ids, children))
  scores = beams.scores[:, :, None] + jnp.where(whole, 0, gained)
  return jnp.where(exists, scores, -jnp.inf), children


def _choose(
    trie: TitleTrie,
    scores: jax.Array,
    children: jax.Array,
    excluded: jax.Array,
    width: int,
) -> tuple[_Beams, jax.Array]:
  """Keeps the best children over all beams.

  Args:
    trie: the titles.
    scores: float32 [batch, beam, branch].
    children: int32 [batch, beam, branch], nodes.
    excluded: int32 [batch, num_excluded], of `_sorted_ranks`.
    width: how many to keep.

  Returns:
    `width` beams, best first, and their parents int32 [batch, width]. Where
    there are fewer children, scores are -inf and nodes and parents any.
  """
  batch_size, _, num_branches = scores.shape
  low, high = (
      jnp.take(ranks, children) for ranks in (trie.first_ranks, trie.end_ranks)
  )
  num_excluded = jax.vmap(count_excluded)(excluded, low, high)
  usable = (num_excluded < high - low) & ~jnp.isnan(scores)
  scores = jnp.where(usable, scores, -jnp.inf).reshape(batch_size, -1)
  children = children.reshape(batch_size, -1)
  missing = ((0, 0), (0, max(0, width - scores.shape[1])))
  scores = jnp.pad(scores, missing, constant_values=-jnp.inf)
  children = jnp.pad(children, missing)
  scores, chosen = jax.lax.top_k(scores, width)
  nodes = jnp.take_along_axis(children, chosen, axis=1)
  # What was padded belongs to no beam.
  parents = jnp.where(scores > -jnp.inf, chosen // num_branches, 0)
  return _Beams(scores, nodes), parents


def _sorted_ranks(trie: TitleTrie, item_ids: jax.Array) -> jax.Array:
  """Returns items' ranks, rising without repetition, then num_items and on."""
  ranks = jnp.where(
      item_ids >= 0,
      jnp.take(trie.item_ranks, jnp.maximum(item_ids, 0)),
      trie.num_items,
  )
  ranks = jnp.sort(ranks, axis=-1)
  repeated = jnp.pad(ranks[:, 1:] == ranks[:, :-1], ((0, 0), (1, 0)))
  ranks = jnp.sort(jnp.where(repeated, trie.num_items, ranks), axis=-1)
  positions = jnp.arange(ranks.shape[1], dtype=jnp.int32)[None, :]
  return jnp.where(ranks < trie.num_items, ranks, trie.num_items + positions)


def _result(
    trie: TitleTrie, beams: _Beams, excluded: jax.Array, beam_size: int
) -> TitleSearchResult:
  """Turns titles into their items, without the excluded ones."""
  whole = beams.scores > -jnp.inf
  low = jnp.take(trie.first_ranks, beams.nodes)
  high = jnp.take(trie.end_ranks, beams.nodes)
  # Ranks are counted without the excluded ones from here on.
  first = low - jax.vmap(count_excluded)(excluded, jnp.zeros_like(low), low)
  allowed = high - low - jax.vmap(count_excluded)(excluded, low, high)
  ends = jnp.cumsum(jnp.where(whole, allowed, 0), axis=1)
  places = jnp.arange(beam_size, dtype=jnp.int32)
  title = jax.vmap(lambda row: jnp.searchsorted(row, places, side='right'))(
      ends
  )
  valid = title < ends.shape[1]
  title = jnp.minimum(title, ends.shape[1] - 1)

  def of_title(values):
    return jnp.take_along_axis(values, title, axis=1)

  ranks = of_title(first) + places[None, :] - of_title(ends - allowed)
  # The n-th rank that is not excluded: n, and the excluded ones before it.
  gaps = excluded - jnp.arange(excluded.shape[1], dtype=jnp.int32)[None, :]
  ranks += jax.vmap(
      lambda row, wanted: jnp.searchsorted(row, wanted, side='right')
  )(gaps, ranks).astype(jnp.int32)
  item_ids = jnp.take(trie.item_ids, jnp.minimum(ranks, trie.num_items - 1))
  return TitleSearchResult(
      jnp.where(valid, item_ids, NO_ITEM),
      jnp.where(valid, of_title(beams.scores), -jnp.inf),
      valid,
      jnp.where(valid, of_title(high - low), 0),
  )
