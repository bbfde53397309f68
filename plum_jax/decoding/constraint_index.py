# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The trie of valid Semantic IDs as one array on the device.

A trie node is a prefix that some item's SID begins with. Items are sorted by
SID, so the items below a node are a contiguous run of ranks, and the children
of a level's nodes stand one after another in the next level: three lists a
level hold the whole trie (STATIC, arXiv 2602.22647, stores the same transitions
in CSR form with an explicit next node; here it is implied by the order). A list
that would count 0, 1, 2 ... is left out: of a large catalog most levels have a
node for each item.

All lists are sections of one array. A search looks up a few numbers in each,
and XLA moves an operand of up to a hundred megabytes into a TPU's vector memory
for that, list by list; what does not fit stays in HBM, where it is read at the
places that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

NO_ITEM = -1
NO_NODE = -1
# A level's rows may have so many columns for each child of the widest node, and
# so many places for each node: beyond, looking children up one by one is less
# work than going through all tokens.
_PLACES_PER_NODE = 2
_MAX_TABLE_SIZE = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Rows:
  """Nodes by parent and token, of a level that most tokens lead to.

  Log-probabilities of such a level are a slice, where children would have to be
  looked up one by one.

  Attributes:
    start: of the section: for each node of the level above (the root above the
      first level) `num_tokens` places with the node that a token leads to, or
      `NO_NODE`.
    num_tokens: places of a row.
    first_token: the token of the first place.
  """

  start: int
  num_tokens: int
  first_token: int


@dataclasses.dataclass(frozen=True)
class TrieLevel:
  """Where the nodes of one depth stand, in the order of their items.

  Attributes:
    num_nodes: the number of prefixes of this length.
    max_children: the largest number of children of a node.
    tokens: start of the section with the SID token on the edge into each node.
    first_ranks: start of num_nodes + 1 numbers, the first item rank below each
      node; None if each node has one item, whose rank is the node's number.
    first_children: start of num_nodes + 1 numbers, the first child in the next
      level; the last level's children are the items themselves. None if each
      node has one child, of its own number. `first_ranks` where the two are
      equal.
    rows: the level by parent and token, or None.
  """

  num_nodes: int
  max_children: int
  tokens: int
  first_ranks: int | None
  first_children: int | None
  rows: Rows | None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ConstraintIndex:
  """All valid SIDs.

  Attributes:
    table: int32 [size], all sections.
    levels: the nodes of depth 1 to num_levels. Depth 0, the root, has the first
      level's nodes as children.
    num_items: items, each with a SID of its own.
    item_ids: start of the section with the item number of each rank.
    item_ranks: start of the section with the rank of each item number.
  """

  table: jax.Array
  levels: tuple[TrieLevel, ...] = dataclasses.field(metadata={'static': True})
  num_items: int = dataclasses.field(metadata={'static': True})
  item_ids: int = dataclasses.field(metadata={'static': True})
  item_ranks: int = dataclasses.field(metadata={'static': True})

  @property
  def num_levels(self) -> int:
    """SID tokens an item."""
    return len(self.levels)

  def tokens(self, level: TrieLevel, nodes: jax.Array) -> jax.Array:
    """Returns the last SID token of nodes, int32 of the shape of `nodes`."""
    return self._look_up(level.tokens, nodes)

  def ranks(
      self, level: TrieLevel, nodes: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Returns the run of item ranks below nodes.

    Args:
      level: of the nodes.
      nodes: int32, any shape.

    Returns:
      The first rank, and the one after the last; int32 of the same shape.
    """
    return self._run(level.first_ranks, nodes)

  def children(
      self, level: TrieLevel, nodes: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Returns the run of nodes of the next level; see `ranks`."""
    return self._run(level.first_children, nodes)

  def row(self, rows: Rows, parents: jax.Array) -> jax.Array:
    """Returns the children of nodes by token, `NO_NODE` where there is none.

    Args:
      rows: of the children's level.
      parents: int32 [...], nodes of the level above.

    Returns:
      int32 [..., num_tokens].
    """
    starts = rows.start + parents.reshape(-1) * rows.num_tokens
    found = jax.vmap(
        lambda start: jax.lax.dynamic_slice(
            self.table, (start,), (rows.num_tokens,)
        )
    )(starts)
    return found.reshape(*parents.shape, rows.num_tokens)

  def items(self, ranks: jax.Array) -> jax.Array:
    """Returns the item numbers of ranks, int32 of the shape of `ranks`."""
    return self._look_up(self.item_ids, ranks)

  def ranks_of_items(self, item_ids: jax.Array) -> jax.Array:
    """Returns the ranks of item numbers, int32 of the shape of `item_ids`."""
    return self._look_up(self.item_ranks, item_ids)

  def nodes_of_ranks(self, level: TrieLevel, ranks: jax.Array) -> jax.Array:
    """Returns the nodes that items lie below, int32 of the shape of `ranks`."""
    if level.first_ranks is None:
      return ranks
    firsts = jax.lax.slice(
        self.table, (level.first_ranks,), (level.first_ranks + level.num_nodes,)
    )
    return jnp.searchsorted(firsts, ranks, side='right') - 1

  def _look_up(self, start: int, positions: jax.Array) -> jax.Array:
    """Returns numbers of a section."""
    return jnp.take(self.table, start + positions)

  def _run(
      self, start: int | None, nodes: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Returns where the runs of nodes begin and end."""
    if start is None:
      return nodes, nodes + 1
    return self._look_up(start, nodes), self._look_up(start + 1, nodes)


def build_constraint_index(
    token_ids: np.ndarray, *, item_names: Sequence[str] | None = None
) -> ConstraintIndex:
  """Builds the index from the SIDs of a catalog.

  Args:
    token_ids: int [num_items, num_levels], the SID tokens of each item, in item
      order; need not be sorted.
    item_names: item ids for error messages.

  Returns:
    The index, on the default device.

  Raises:
    ValueError: there is no item, a token is negative, two items share a SID, or
      the catalog is too large for positions of 32 bits (some 130 million items
      of 8 levels).

  >>> index = build_constraint_index(np.array([[5, 9], [4, 8], [5, 8]]))
  >>> index.items(jnp.arange(3)).tolist()
  [1, 2, 0]
  >>> first, second = index.levels
  >>> index.tokens(first, jnp.arange(2)).tolist()
  [4, 5]
  >>> index.tokens(second, jnp.arange(3)).tolist()
  [8, 8, 9]
  """
  token_ids = np.asarray(token_ids)
  if token_ids.ndim != 2 or not token_ids.size:
    raise ValueError(
        'token_ids must be [num_items, num_levels] with at least one item and '
        f'one level, got shape {token_ids.shape}.'
    )
  if token_ids.min() < 0:
    item = int(np.argwhere((token_ids < 0).any(axis=1))[0, 0])
    raise ValueError(f'The SID of item {item} has a negative token.')
  num_items, num_levels = token_ids.shape
  order = np.lexsort(token_ids.T[::-1])
  ordered = token_ids[order]
  # For each item, the first level at which its SID leaves its predecessor's.
  differs = ordered[1:] != ordered[:-1]
  _check_distinct(differs, order, item_names)
  starts = np.ones((num_items, num_levels), bool)
  starts[1:] = np.logical_or.accumulate(differs, axis=1)
  # By depth from the root: the first rank below each node, and the end.
  first_ranks = [
      np.array([0, num_items]),
      *(
          np.append(np.flatnonzero(starts[:, level]), num_items)
          for level in range(num_levels)
      ),
      np.arange(num_items + 1),
  ]
  first_children = [
      np.searchsorted(below, ranks)
      for ranks, below in zip(first_ranks[:-1], first_ranks[1:], strict=True)
  ]
  sections = _Sections()
  levels = tuple(
      _add_level(
          sections,
          ordered[first_ranks[depth][:-1], depth - 1],
          first_ranks[depth],
          first_children[depth - 1 : depth + 1],
      )
      for depth in range(1, num_levels + 1)
  )
  item_ranks = np.empty(num_items, np.int32)
  item_ranks[order] = np.arange(num_items, dtype=np.int32)
  item_starts = sections.add(order), sections.add(item_ranks)
  return ConstraintIndex(sections.table(), levels, num_items, *item_starts)


class _Sections:
  """Lists that become one array."""

  def __init__(self):
    self._parts: list[np.ndarray] = []
    self._size = 0

  def add(self, values: np.ndarray) -> int:
    """Appends a list and returns where it starts."""
    start = self._size
    self._parts.append(values.astype(np.int32))
    self._size += values.size
    if self._size > _MAX_TABLE_SIZE:
      raise ValueError('The catalog is too large: positions have 32 bits.')
    return start

  def table(self) -> jax.Array:
    """Returns all lists."""
    return jnp.asarray(np.concatenate(self._parts))


def _add_level(
    sections: _Sections,
    tokens: np.ndarray,
    first_ranks: np.ndarray,
    first_children: Sequence[np.ndarray],
) -> TrieLevel:
  """Appends the lists of a level.

  Args:
    sections: what to append to.
    tokens: int [num_nodes].
    first_ranks: int [num_nodes + 1].
    first_children: of the level above, and of this one.

  Returns:
    Where they stand.
  """

  def unless_counting(starts: np.ndarray) -> int | None:
    # Each node has an item, so numbers rise, and the last one tells.
    return None if starts[-1] == starts.size - 1 else sections.add(starts)

  rank_start = unless_counting(first_ranks)
  # Above a level with a node for each item, both lists are one.
  same = np.array_equal(first_ranks, first_children[1])
  return TrieLevel(
      num_nodes=tokens.size,
      max_children=int(np.diff(first_children[1]).max()),
      tokens=sections.add(tokens),
      first_ranks=rank_start,
      first_children=rank_start if same else unless_counting(first_children[1]),
      rows=_add_rows(sections, tokens, np.diff(first_children[0])),
  )


def _add_rows(
    sections: _Sections, tokens: np.ndarray, num_children: np.ndarray
) -> Rows | None:
  """Appends `Rows` where they are worth their memory.

  Args:
    sections: what to append to.
    tokens: int [num_nodes], of a level.
    num_children: int [num_parents], of the nodes above it.

  Returns:
    Where they stand, or None.
  """
  first_token = int(tokens.min())
  num_tokens = int(tokens.max()) - first_token + 1
  if not rows_are_worth_it(
      num_tokens, int(num_children.max()), num_children.size, tokens.size
  ):
    return None
  rows = np.full((num_children.size, num_tokens), NO_NODE, np.int32)
  parents = np.repeat(np.arange(num_children.size), num_children)
  rows[parents, tokens - first_token] = np.arange(tokens.size)
  return Rows(sections.add(rows.reshape(-1)), num_tokens, first_token)


def rows_are_worth_it(
    num_tokens: int, max_children: int, num_parents: int, num_nodes: int
) -> bool:
  """Whether a level gets `Rows`; see `_PLACES_PER_NODE`.

  Args:
    num_tokens: from the level's lowest token to its highest.
    max_children: the largest number of children of a parent.
    num_parents: nodes of the level above.
    num_nodes: nodes of the level.
  """
  return (
      num_tokens <= _PLACES_PER_NODE * max_children
      and num_tokens * num_parents <= _PLACES_PER_NODE * num_nodes
  )


def item_tokens(index: ConstraintIndex, item_ids: jax.Array) -> jax.Array:
  """Returns the SID tokens of items.

  Args:
    index: the valid SIDs.
    item_ids: int32 [...], item numbers or `NO_ITEM`.

  Returns:
    int32 [..., num_levels]; 0 for `NO_ITEM`.

  >>> index = build_constraint_index(np.array([[5, 9], [4, 8], [5, 8]]))
  >>> item_tokens(index, jnp.array([2, NO_ITEM])).tolist()
  [[5, 8], [0, 0]]
  """
  ranks = index.ranks_of_items(jnp.maximum(item_ids, 0))
  tokens = [
      index.tokens(level, index.nodes_of_ranks(level, ranks))
      for level in index.levels
  ]
  return jnp.where((item_ids >= 0)[..., None], jnp.stack(tokens, axis=-1), 0)


def _check_distinct(
    differs: np.ndarray,
    order: np.ndarray,
    item_names: Sequence[str] | None,
) -> None:
  """Raises if neighbours in the sorted order have the same SID."""
  same = np.flatnonzero(~differs.any(axis=1))
  if not same.size:
    return
  pair = [int(order[same[0]]), int(order[same[0] + 1])]
  if item_names is not None:
    pair = [f'{item} ({item_names[item]})' for item in pair]
  raise ValueError(
      f'{same.size} items have the SID of another item, first items {pair[0]} '
      f'and {pair[1]}. Add a disambiguation code before building the index.'
  )


def count_excluded(
    excluded_ranks: jax.Array, low: jax.Array, high: jax.Array
) -> jax.Array:
  """Counts a user's excluded items in runs of ranks.

  Args:
    excluded_ranks: int32 [num_excluded], sorted, without repetition but for the
      padding, which is larger than any rank.
    low: int32, any shape, first rank of each run.
    high: int32, the same shape, the rank after the last of each run.

  Returns:
    int32 of the same shape.
  """
  count = jnp.searchsorted(excluded_ranks, high) - jnp.searchsorted(
      excluded_ranks, low
  )
  return count.astype(jnp.int32)


def sorted_ranks(index: ConstraintIndex, item_ids: jax.Array) -> jax.Array:
  """Turns lists of items into what `count_excluded` takes.

  Args:
    index: the index.
    item_ids: int32 [batch, num], item numbers, `NO_ITEM` for padding; an item
      may stand there several times.

  Returns:
    int32 [batch, num], ranks in rising order, padded with num_items, which is
    larger than any rank.
  """
  ranks = jnp.where(
      item_ids >= 0,
      index.ranks_of_items(jnp.maximum(item_ids, 0)),
      index.num_items,
  )
  ranks = jnp.sort(ranks, axis=-1)
  repeated = jnp.concatenate(
      [jnp.zeros_like(ranks[:, :1], bool), ranks[:, 1:] == ranks[:, :-1]],
      axis=-1,
  )
  return jnp.sort(jnp.where(repeated, index.num_items, ranks), axis=-1)
