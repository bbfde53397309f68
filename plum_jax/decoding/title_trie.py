# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The trie of the items' titles, as text pieces, on the device.

Like the constraint index, but titles are of any length, several items may share
one, and there are up to some thirty levels. So the nodes of all levels stand in
one array each, one level after the other: a loop over levels then needs one
program, whatever the depth. Every title ends with the end-of-sequence token, so
that none is a prefix of another, and a node without children is a whole title.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

_PADDING = -1


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TitleTrie:
  """All titles.

  A node is a prefix that some title begins with. The first `num_first` nodes
  are the first tokens; the nodes of each level are in the order of their items.

  Attributes:
    token_ids: int32 [num_nodes], the token on the edge into each node.
    first_children: int32 [num_nodes + 1], first child of each node; the
      children of node n are those up to `first_children[n + 1]`, none after a
      whole title.
    first_ranks: int32 [num_nodes], first item rank below each node.
    end_ranks: int32 [num_nodes], the rank after the last.
    item_ids: int32 [num_items], item number by rank; items of one title in the
      order of their numbers.
    item_ranks: int32 [num_items], rank by item number.
    num_first: number of first tokens.
    max_children: by level, the largest number of children of a node; as many as
      the longest title has tokens, the last 0.
    num_titles: number of different titles.
  """

  token_ids: jax.Array
  first_children: jax.Array
  first_ranks: jax.Array
  end_ranks: jax.Array
  item_ids: jax.Array
  item_ranks: jax.Array
  num_first: int = dataclasses.field(metadata={'static': True})
  max_children: tuple[int, ...] = dataclasses.field(metadata={'static': True})
  num_titles: int = dataclasses.field(metadata={'static': True})

  @property
  def num_levels(self) -> int:
    """Tokens of the longest title, its end among them."""
    return len(self.max_children)

  @property
  def num_nodes(self) -> int:
    """Prefixes of all lengths."""
    return self.token_ids.shape[0]

  @property
  def num_items(self) -> int:
    """Items."""
    return self.item_ids.shape[0]


def build_title_trie(
    titles: Sequence[Sequence[int] | np.ndarray],
    *,
    eos_id: int,
    item_names: Sequence[str] | None = None,
) -> TitleTrie:
  """Builds the trie from tokenized titles.

  Args:
    titles: the tokens of each item's title, in item order, without an end.
    eos_id: the end-of-sequence token that a model writes after a title.
    item_names: item ids for error messages.

  Returns:
    The trie, on the default device.

  Raises:
    ValueError: there is no item, a title is empty, or has a token that is
      negative or `eos_id`.

  >>> trie = build_title_trie([[7, 8], [7], [9], [7]], eos_id=1)
  >>> trie.token_ids.tolist(), trie.first_children.tolist()
  ([7, 9, 1, 8, 1, 1], [2, 4, 5, 5, 6, 6, 6])
  """
  tokens = _padded(titles, eos_id, item_names)
  num_items, num_levels = tokens.shape
  order = np.lexsort(tokens.T[::-1])
  tokens = tokens[order]
  real = tokens != _PADDING
  differs = tokens[1:] != tokens[:-1]
  starts = np.ones((num_items, num_levels), bool)
  starts[1:] = np.logical_or.accumulate(differs, axis=1)
  levels = [
      np.flatnonzero(starts[:, level] & real[:, level])
      for level in range(num_levels)
  ]
  # A node's items end where the next prefix begins, or shorter titles stand.
  ends = []
  for level, first in enumerate(levels):
    borders = np.append(
        np.flatnonzero(starts[:, level] | ~real[:, level]), num_items
    )
    ends.append(borders[np.searchsorted(borders, first, side='right')])
  offsets = np.cumsum([0, *(len(first) for first in levels)])
  children, max_children = [], []
  for level, first in enumerate(levels):
    below = levels[level + 1] if level + 1 < num_levels else first[:0]
    found = offsets[level + 1] + np.searchsorted(below, first)
    children.append(found)
    end = offsets[level + 1] + len(below)
    max_children.append(int(np.diff(np.append(found, end)).max()))
  item_ranks = np.empty(num_items, np.int32)
  item_ranks[order] = np.arange(num_items, dtype=np.int32)
  arrays = {
      'token_ids': np.concatenate(
          [tokens[first, level] for level, first in enumerate(levels)]
      ),
      'first_children': np.append(np.concatenate(children), offsets[-1]),
      'first_ranks': np.concatenate(levels),
      'end_ranks': np.concatenate(ends),
      'item_ids': order,
      'item_ranks': item_ranks,
  }
  return TitleTrie(
      **{name: jnp.asarray(x, jnp.int32) for name, x in arrays.items()},
      num_first=len(levels[0]),
      max_children=tuple(max_children),
      num_titles=int(starts[:, -1].sum()),
  )


def _padded(
    titles: Sequence[Sequence[int] | np.ndarray],
    eos_id: int,
    item_names: Sequence[str] | None,
) -> np.ndarray:
  """Ends and pads titles: int32 [num_items, longest + 1]; checks them."""
  if not len(titles):
    raise ValueError('There is no title: a trie needs one item at least.')
  lengths = np.array([len(title) for title in titles])

  def refuse(item, what):
    name = '' if item_names is None else f' ({item_names[item]})'
    raise ValueError(f'The title of item {item}{name} {what}.')

  if not lengths.all():
    empty = np.flatnonzero(lengths == 0)
    refuse(
        int(empty[0]),
        f'is empty, and so are those of {len(empty) - 1} more items: only what '
        'has a title can be generated',
    )
  flat = np.concatenate([np.asarray(title) for title in titles])
  wrong = (flat < 0) | (flat == eos_id)
  if wrong.any():
    position = int(np.flatnonzero(wrong)[0])
    item = int(np.searchsorted(np.cumsum(lengths), position, side='right'))
    refuse(item, f'has the token {flat[position]}')
  tokens = np.full((len(titles), lengths.max() + 1), _PADDING, np.int32)
  columns = np.arange(tokens.shape[1])[None, :]
  tokens[columns < lengths[:, None]] = flat
  tokens[columns == lengths[:, None]] = eos_id
  return tokens
