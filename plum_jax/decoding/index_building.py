# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes the constraint index of a catalog's Semantic IDs."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.constraint_index import NO_ITEM
from plum_jax.decoding.constraint_index import NO_NODE
from plum_jax.decoding.constraint_index import Rows
from plum_jax.decoding.constraint_index import TrieLevel

# A level's rows may have so many columns for each child of the widest node, and
# so many places for each node: beyond, looking children up one by one is less
# work than going through all tokens.
_PLACES_PER_NODE = 2
_MAX_TABLE_SIZE = 2**31 - 1


def build_constraint_index(
    token_ids: np.ndarray,
    *,
    item_names: Sequence[str] | None = None,
    item_ids: np.ndarray | None = None,
    num_item_ids: int | None = None,
    with_room: bool = False,
) -> ConstraintIndex:
  """Builds the index from the SIDs of a catalog.

  Args:
    token_ids: int [num_items, num_levels], the SID tokens of each item; need
      not be sorted.
    item_names: item ids for error messages.
    item_ids: int [num_items], the items' numbers, if they are part of a larger
      catalog; by default their positions.
    num_item_ids: items of the larger catalog.
    with_room: whether all sizes are rounded up to powers of 2 and no list is
      left out. An index to which items were added then mostly has the shapes of
      the one before, and programs that were compiled for it stay. Nodes that
      are added have no items below them. A search leaves such nodes out if it
      is given items that are excluded or allowed, be they all `NO_ITEM`, and
      must be.

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
  token_ids = _checked(token_ids)
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
  sections = _Sections(with_room)
  levels = tuple(
      _add_level(
          sections,
          ordered[first_ranks[depth][:-1], depth - 1],
          first_ranks[depth],
          first_children[depth - 1 : depth + 1],
      )
      for depth in range(1, num_levels + 1)
  )
  numbers = order if item_ids is None else np.asarray(item_ids)[order]
  size = sections.size(num_items)
  item_ranks = np.full(num_item_ids or num_items, size, np.int32)
  item_ranks[numbers] = np.arange(num_items, dtype=np.int32)
  id_start = sections.add(numbers, size, NO_ITEM)
  rank_start = sections.add(item_ranks, sections.size(item_ranks.size), size)
  return ConstraintIndex(sections.table(), levels, size, id_start, rank_start)


def round_up(number: int) -> int:
  """Returns the next power of 2.

  >>> [round_up(number) for number in (1, 2, 3, 1000)]
  [1, 2, 4, 1024]
  """
  return 1 << (number - 1).bit_length()


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


def _checked(token_ids: np.ndarray) -> np.ndarray:
  """Returns SID tokens as an array.

  Raises:
    ValueError: they cannot be SIDs.
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
  return token_ids


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


class _Sections:
  """Lists that become one array."""

  def __init__(self, with_room: bool):
    self.with_room = with_room
    self._parts: list[np.ndarray] = []
    self._size = 0

  def size(self, number: int) -> int:
    """Returns a size, rounded up if there is to be room."""
    return round_up(number) if self.with_room else number

  def add(self, values: np.ndarray, length: int, fill: int = 0) -> int:
    """Appends a list, padded to a length, and returns where it starts."""
    start = self._size
    padded = np.full(length, fill, np.int32)
    padded[: values.size] = values
    self._parts.append(padded)
    self._size += length
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
  num_nodes = sections.size(tokens.size)

  def add(starts: np.ndarray) -> int | None:
    # Each node has an item, so numbers rise, and the last one tells.
    counts = starts[-1] == starts.size - 1
    if counts and not sections.with_room:
      return None
    return sections.add(starts, num_nodes + 1, starts[-1])

  rank_start = add(first_ranks)
  # Above a level with a node for each item, both lists are one.
  same = np.array_equal(first_ranks, first_children[1])
  if same and not sections.with_room:
    child_start = rank_start
  else:
    child_start = add(first_children[1])
  return TrieLevel(
      num_nodes=num_nodes,
      max_children=sections.size(int(np.diff(first_children[1]).max())),
      tokens=sections.add(tokens, num_nodes),
      first_ranks=rank_start,
      first_children=child_start,
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
  if sections.with_room or not rows_are_worth_it(
      num_tokens, int(num_children.max()), num_children.size, tokens.size
  ):
    return None
  rows = np.full((num_children.size, num_tokens), NO_NODE, np.int32)
  parents = np.repeat(np.arange(num_children.size), num_children)
  rows[parents, tokens - first_token] = np.arange(tokens.size)
  return Rows(
      sections.add(rows.reshape(-1), rows.size), num_tokens, first_token
  )
