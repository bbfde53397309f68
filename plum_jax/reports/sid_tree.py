# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The tree of Semantic IDs with real titles."""

from __future__ import annotations

import collections
from collections.abc import Sequence
import dataclasses
import html
import textwrap

import numpy as np
from plotly import graph_objects as go
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.reports import figures
from plum_jax.reports import sid_words
from plum_jax.semantic_ids.quality import prefixes

_ROOT = 'all'
_TYPICAL_TITLES = 5
_TITLES_IN_BOX = 3
_TYPICAL_CATEGORIES = 2
_TYPICAL_WORDS = 8
_WORDS_IN_BOX = 3
_TITLE_WIDTH = 60
_LINE_WIDTH = 22
# With more first codes than this their boxes have room for a few words alone.
_MANY_BRANCHES = 64
_NARROW_WIDTH = 12
# Dark enough for white text.
_GREY = '#5d6873'
_COLOURS = ('#2f68b5', '#a8621c', '#237a5a', '#7150b5', '#a63d57')


@dataclasses.dataclass(frozen=True)
class Node:
  """A branch of the tree, or an item.

  Attributes:
    codes: the codes that the items below share, empty for the root; of an
      item, those of the branch that it hangs on.
    num_items: number of items below.
    titles: of the most popular of them, best first.
    categories: of the items below, those that set the branch apart.
    item: item number, or None for a branch.
    sid: the full Semantic ID of an item, empty for a branch.
    words: of titles and categories, those that set the branch apart.
  """

  codes: tuple[int, ...]
  num_items: int
  titles: tuple[str, ...]
  categories: tuple[str, ...] = ()
  item: int | None = None
  sid: tuple[int, ...] = ()
  words: tuple[str, ...] = ()


def make_nodes(
    codes: np.ndarray,
    full_codes: np.ndarray,
    titles: Sequence[str],
    categories: pa.Array | pa.ChunkedArray,
    popularity: np.ndarray,
    max_branches: int = 1_500,
    max_items: int = 3_000,
    words: sid_words.ItemWords | None = None,
) -> list[Node]:
  """Builds the tree, cut to the largest branches and the most popular items.

  A prefix that only one item has is no branch: the item itself stands there.

  Args:
    codes: int [num_items, num_levels], without a disambiguation code.
    full_codes: int [num_items, at least num_levels], the Semantic IDs to show.
    titles: of the items.
    categories: list<list<string>> of the items, as in the item table.
    popularity: [num_items], which titles are typical.
    max_branches: number of branches to keep.
    max_items: number of items to keep.
    words: of the items; None to leave words out.

  Returns:
    The nodes, every branch after the one that it is in.
  """
  num_items = len(codes)
  by_popularity = np.argsort(-popularity, kind='stable')
  row, category, names = _category_pairs(categories)
  branches: list[tuple[int, int, Node]] = []
  # For each item the length of the longest prefix that it shares.
  shared = np.zeros(num_items, np.int64)
  for level, group in enumerate(prefixes.prefix_groups(codes)):
    counts = np.bincount(group)
    shared[counts[group] > 1] = level
    largest = np.argsort(-counts, kind='stable')[:max_branches]
    largest = largest[(counts[largest] > 1) | (level == 0)]
    typical = _first_of_groups(group[by_popularity], largest, _TYPICAL_TITLES)
    marked = _typical_categories(group[row], category, largest, len(names))
    said: list[tuple[str, ...]] = [()] * len(largest)
    if words is not None:
      said = sid_words.typical_words(group, largest, words, _TYPICAL_WORDS)
    for number, which, kinds, own_words in zip(
        largest, typical, marked, said, strict=True
    ):
      items = by_popularity[which]
      node = Node(
          codes=tuple(codes[items[0], :level].tolist()),
          num_items=int(counts[number]),
          titles=tuple(titles[item] for item in items),
          categories=tuple(names[kind] for kind in kinds),
          words=own_words,
      )
      branches.append((-node.num_items, level, node))
  # A branch is never larger than the one that it is in, so the cut keeps whole
  # paths from the root.
  branches.sort(key=lambda entry: entry[:2])
  nodes = [node for _, _, node in branches[:max_branches]]
  kept = {node.codes for node in nodes}
  for item in by_popularity[:max_items].tolist():
    parent = tuple(codes[item, : shared[item]].tolist())
    if parent in kept:
      sid = tuple(full_codes[item].tolist())
      nodes.append(Node(parent, 1, (titles[item],), item=item, sid=sid))
  return nodes


def _first_of_groups(
    group: np.ndarray, wanted: np.ndarray, count: int
) -> list[np.ndarray]:
  """Finds the first `count` positions of each wanted group."""
  order = np.argsort(group, kind='stable')
  starts = np.searchsorted(group[order], wanted, side='left')
  ends = np.searchsorted(group[order], wanted, side='right')
  return [
      order[start : min(end, start + count)]
      for start, end in zip(starts, ends, strict=True)
  ]


def _category_pairs(
    categories: pa.Array | pa.ChunkedArray,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
  """Lists (item, category) pairs; a path stands for its most specific part."""
  if isinstance(categories, pa.ChunkedArray):
    categories = categories.combine_chunks()
  paths = pc.list_flatten(categories)
  row = pc.list_parent_indices(categories)
  filled = pc.greater(pc.list_value_length(paths), 0)
  paths, row = paths.filter(filled), row.filter(filled)
  ends = np.cumsum(np.asarray(pc.list_value_length(paths), np.int64)) - 1
  last = pc.list_flatten(paths).take(pa.array(ends)).dictionary_encode()
  return (
      np.asarray(row, np.int64),
      np.asarray(last.indices, np.int64),
      last.dictionary.to_pylist(),
  )


def _typical_categories(
    group: np.ndarray,
    category: np.ndarray,
    wanted: np.ndarray,
    num_categories: int,
) -> list[list[int]]:
  """Finds for each wanted group the categories that set it apart.

  They have the largest share * log(share / share in the catalog), their part
  of the Kullback-Leibler divergence; those no more frequent than in the
  catalog are left out.
  """
  if not len(category):
    return [[] for _ in wanted]
  overall = np.bincount(category, minlength=num_categories) / len(category)
  pair, counts = np.unique(
      group * num_categories + category, return_counts=True
  )
  pair_group, pair_category = np.divmod(pair, num_categories)
  total = np.bincount(group, minlength=int(group.max()) + 1)
  share = counts / total[pair_group]
  weight = share * np.log(share / overall[pair_category])
  order = np.lexsort((pair_category, -weight, pair_group))
  order = order[weight[order] > 1e-9]
  return [
      pair_category[order[which]].tolist()
      for which in _first_of_groups(
          pair_group[order], wanted, _TYPICAL_CATEGORIES
      )
  ]


def tree_figure(nodes: Sequence[Node]) -> go.Figure:
  """Draws the tree as a treemap: one level at a time, a click goes deeper.

  Args:
    nodes: of `make_nodes`.

  Returns:
    The figure. Titles are escaped.
  """
  ids = [_identifier(node) for node in nodes]
  parents = [
      '' if not node.codes and node.item is None else _parent(node)
      for node in nodes
  ]
  first_codes = sorted({node.codes[0] for node in nodes if node.codes})
  colour_of = {
      code: _COLOURS[number % len(_COLOURS)]
      for number, code in enumerate(first_codes)
  }
  crowded = len(first_codes) > _MANY_BRANCHES
  rest = _left_out(nodes)
  hidden = [f'… and {number:,} more items' for _, number in rest]
  colours = [
      colour_of[node.codes[0]] if node.codes else _GREY for node in nodes
  ]
  return go.Figure(
      go.Treemap(
          ids=ids + [f'more-{_branch_id(codes)}' for codes, _ in rest],
          parents=parents + [_branch_id(codes) for codes, _ in rest],
          labels=[_label(node, crowded) for node in nodes] + hidden,
          values=[node.num_items for node in nodes] + [n for _, n in rest],
          customdata=[_hover(node) for node in nodes] + hidden,
          text=[_text(node, crowded) for node in nodes] + [''] * len(rest),
          branchvalues='total',
          maxdepth=2,
          textinfo='label+text',
          textposition='top left',
          hovertemplate='%{customdata}<extra></extra>',
          textfont={'color': '#ffffff', 'size': 13},
          tiling={'pad': 2},
          pathbar={'thickness': 24},
          marker={
              'colors': colours + [_GREY] * len(rest),
              'line': {'width': 1, 'color': 'rgba(255,255,255,.35)'},
          },
      ),
      figures.layout(
          height=620,
          margin={'l': 0, 'r': 0, 't': 28, 'b': 0},
          hovermode='closest',
      ),
  )


def _left_out(
    nodes: Sequence[Node],
) -> list[tuple[tuple[int, ...], int]]:
  """Counts, for branches with something below, the items that are not."""
  below: collections.Counter[tuple[int, ...]] = collections.Counter()
  for node in nodes:
    if node.item is not None or node.codes:
      below[_parent_codes(node)] += node.num_items
  return [
      (node.codes, node.num_items - below[node.codes])
      for node in nodes
      if node.item is None and 0 < below[node.codes] < node.num_items
  ]


def _branch_id(codes: Sequence[int]) -> str:
  return '-'.join([_ROOT, *map(str, codes)])


def _identifier(node: Node) -> str:
  if node.item is not None:
    return f'item-{node.item}'
  return _branch_id(node.codes)


def _parent_codes(node: Node) -> tuple[int, ...]:
  return node.codes if node.item is not None else node.codes[:-1]


def _parent(node: Node) -> str:
  return _branch_id(_parent_codes(node))


def _escape(text: str) -> str:
  # Plotly reads a few HTML tags in its texts.
  return html.escape(text, quote=False)


def _is_small(node: Node, crowded: bool) -> bool:
  return crowded and node.item is None and len(node.codes) == 1


def _label(node: Node, crowded: bool) -> str:
  if node.item is not None:
    title = node.titles[0] or '(no title)'
    lines = textwrap.wrap(_shorten(title), _LINE_WIDTH)
    return '<br>'.join(map(_escape, lines))
  if not node.codes:
    return 'All items'
  kinds = _escape(', '.join(node.categories))
  if _is_small(node, crowded):
    lines = textwrap.wrap(', '.join(node.categories[:1]), _NARROW_WIDTH)
    kinds = '<br>'.join(map(_escape, lines))
  return f'<b>{node.codes[-1]}</b>' + (f'<br><b>{kinds}</b>' if kinds else '')


def _text(node: Node, crowded: bool) -> str:
  """Returns what stands under the label: words and titles of a branch."""
  if node.item is not None:
    return ''
  if _is_small(node, crowded):
    return '<br>'.join(map(_escape, node.words[:_WORDS_IN_BOX]))
  lines = [
      f'{node.num_items:,} items',
      *([', '.join(node.words[:_WORDS_IN_BOX])] if node.words else []),
      *(
          textwrap.shorten(title, _LINE_WIDTH, placeholder=' …')
          for title in node.titles[:_TITLES_IN_BOX]
      ),
  ]
  return '<br>'.join(map(_escape, lines))


def _shorten(text: str) -> str:
  return textwrap.shorten(text, _TITLE_WIDTH, placeholder=' …')


def _hover(node: Node) -> str:
  sid = ' '.join(map(str, node.codes))
  titles = '<br>'.join(_escape(_shorten(title)) for title in node.titles)
  if node.item is not None:
    return f'<b>{titles}</b><br>SID {" ".join(map(str, node.sid))}'
  kinds = _escape(', '.join(node.categories))
  words = _escape(', '.join(node.words))
  return (
      f'<b>{"level " + str(len(node.codes)) if node.codes else "All items"}</b>'
      + (f', codes {sid}' if sid else '')
      + f'<br>{node.num_items:,} items'
      + (f'<br><i>{kinds}</i>' if kinds else '')
      + (f'<br>words: <b>{words}</b>' if words else '')
      + f'<br>{titles}'
  )
