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

import dataclasses

import jax
import jax.numpy as jnp

NO_ITEM = -1
NO_NODE = -1


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
    item_ranks: start of the section with the rank of each item number;
      `num_items` for a number that is no item of the index.
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


def item_tokens(index: ConstraintIndex, item_ids: jax.Array) -> jax.Array:
  """Returns the SID tokens of items.

  Args:
    index: the valid SIDs.
    item_ids: int32 [...], numbers of items of the index, or `NO_ITEM`.

  Returns:
    int32 [..., num_levels]; 0 for `NO_ITEM`.
  """
  ranks = index.ranks_of_items(jnp.maximum(item_ids, 0))
  tokens = [
      index.tokens(level, index.nodes_of_ranks(level, ranks))
      for level in index.levels
  ]
  return jnp.where((item_ids >= 0)[..., None], jnp.stack(tokens, axis=-1), 0)


def count_excluded(
    excluded_ranks: jax.Array, low: jax.Array, high: jax.Array
) -> jax.Array:
  """Counts a user's excluded (or allowed) items in runs of ranks.

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
