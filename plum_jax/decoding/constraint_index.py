# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The trie of valid Semantic IDs as arrays on the device.

A trie node is a prefix that some item's SID begins with. Items are sorted by
SID, so the items below a node are a contiguous run of ranks, and the children
of a level's nodes stand one after another in the next level: three arrays a
level hold the whole trie (STATIC, arXiv 2602.22647, stores the same transitions
in CSR form with an explicit next node; here it is implied by the order).
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

NO_ITEM = -1


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrieLevel:
  """The nodes of one depth, in the order of their items.

  Attributes:
    token_ids: int32 [num_nodes], the SID token on the edge into each node.
    first_ranks: int32 [num_nodes + 1], first item rank below each node.
    first_children: int32 [num_nodes + 1], first child in the next level; the
      last level's children are the items themselves.
    max_children: the largest number of children of a node.
  """

  token_ids: jax.Array
  first_ranks: jax.Array
  first_children: jax.Array
  max_children: int = dataclasses.field(metadata={'static': True})

  @property
  def num_nodes(self) -> int:
    """The number of prefixes of this length."""
    return self.token_ids.shape[0]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ConstraintIndex:
  """All valid SIDs.

  Attributes:
    levels: the nodes of depth 1 to num_levels. Depth 0, the root, has the first
      level's nodes as children.
    item_ids: int32 [num_items], item number by rank.
    item_ranks: int32 [num_items], rank by item number.
  """

  levels: tuple[TrieLevel, ...]
  item_ids: jax.Array
  item_ranks: jax.Array

  @property
  def num_levels(self) -> int:
    """SID tokens an item."""
    return len(self.levels)

  @property
  def num_items(self) -> int:
    """Items, each with a SID of its own."""
    return self.item_ids.shape[0]


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
    ValueError: there is no item, a token is negative, or two items share a SID.

  >>> index = build_constraint_index(np.array([[5, 9], [4, 8], [5, 8]]))
  >>> index.item_ids.tolist()
  [1, 2, 0]
  >>> [level.token_ids.tolist() for level in index.levels]
  [[4, 5], [8, 8, 9]]
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
  first_ranks = [
      np.append(np.flatnonzero(starts[:, level]), num_items)
      for level in range(num_levels)
  ]
  levels = []
  for level, ranks in enumerate(first_ranks):
    if level + 1 < num_levels:
      first_children = np.searchsorted(first_ranks[level + 1], ranks)
    else:
      first_children = ranks
    levels.append(
        TrieLevel(
            token_ids=jnp.asarray(ordered[ranks[:-1], level], jnp.int32),
            first_ranks=jnp.asarray(ranks, jnp.int32),
            first_children=jnp.asarray(first_children, jnp.int32),
            max_children=int(np.diff(first_children).max()),
        )
    )
  item_ranks = np.empty(num_items, np.int32)
  item_ranks[order] = np.arange(num_items, dtype=np.int32)
  return ConstraintIndex(
      tuple(levels), jnp.asarray(order, jnp.int32), jnp.asarray(item_ranks)
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
  ranks = jnp.take(index.item_ranks, jnp.maximum(item_ids, 0))
  tokens = []
  for level in index.levels:
    nodes = jnp.searchsorted(level.first_ranks, ranks, side='right') - 1
    tokens.append(jnp.take(level.token_ids, nodes))
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
      jnp.take(index.item_ranks, jnp.maximum(item_ids, 0)),
      index.num_items,
  )
  ranks = jnp.sort(ranks, axis=-1)
  repeated = jnp.concatenate(
      [jnp.zeros_like(ranks[:, :1], bool), ranks[:, 1:] == ranks[:, :-1]],
      axis=-1,
  )
  return jnp.sort(jnp.where(repeated, index.num_items, ranks), axis=-1)
