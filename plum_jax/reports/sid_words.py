# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Words typical of a branch of the tree of Semantic IDs."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NO_WORD = r"[^\p{L}\p{N}'’]+"
_QUOTES = "'’"
_NUMBER = r'^\p{N}+$'
_MIN_ITEMS = 2
# Found by chance in one of a hundred words: chi-squared, one degree of freedom.
_MIN_RATIO = 6.63


@dataclasses.dataclass(frozen=True)
class ItemWords:
  """Which item's title and categories hold which words.

  Attributes:
    rows: int64 [n], item numbers.
    words: int64 [n], word numbers; each pair comes once.
    names: of the words.
  """

  rows: np.ndarray
  words: np.ndarray
  names: tuple[str, ...]


def item_words(
    titles: pa.Array | pa.ChunkedArray,
    categories: pa.Array | pa.ChunkedArray,
) -> ItemWords:
  """Cuts titles and names of categories into words, in lower case.

  Left out are words of one letter, numbers, and words that only one item has.

  Args:
    titles: string [num_items].
    categories: list<list<string>> [num_items], as in the item table.

  Returns:
    The words of each item.

  >>> found = item_words(pa.array(['Red Nail Polish', 'Nail File 20']),
  ...                    pa.array([[['Nails']], [['Nails']]]))
  >>> found.names, found.rows.tolist(), found.words.tolist()
  (('nail', 'nails'), [0, 0, 1, 1], [0, 1, 0, 1])
  """
  titles, categories = _whole(titles), _whole(categories)
  title_rows, title_words = _split(titles)
  paths = pc.list_flatten(categories)
  rows = np.asarray(pc.list_parent_indices(categories), np.int64)
  rows = rows[np.asarray(pc.list_parent_indices(paths), np.int64)]
  # A category's words are found once, however many items have it.
  names = pc.list_flatten(paths).dictionary_encode()
  name_rows, name_words = _split(names.dictionary)
  item, number = _expand(np.asarray(names.indices, np.int64), name_rows)
  words = pa.concat_arrays(
      [title_words, name_words.take(pa.array(number))]
  ).dictionary_encode()
  pairs = np.unique(
      np.concatenate([title_rows, rows[item]]) * len(words.dictionary)
      + np.asarray(words.indices, np.int64)
  )
  return _kept(*np.divmod(pairs, len(words.dictionary)), words.dictionary)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
  return (
      column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
  )


def _split(texts: pa.Array) -> tuple[np.ndarray, pa.Array]:
  """Returns the words of texts, and the text that each one is of."""
  spaced = pc.replace_substring_regex(pc.utf8_lower(texts), _NO_WORD, ' ')
  words = pc.split_pattern(pc.utf8_trim(spaced, ' '), ' ')
  rows = np.asarray(pc.list_parent_indices(words), np.int64)
  found = pc.utf8_trim(pc.list_flatten(words), _QUOTES)
  is_word = pc.and_(
      pc.greater(pc.utf8_length(found), 1),
      pc.invert(pc.match_substring_regex(found, _NUMBER)),
  )
  return rows[np.asarray(is_word)], found.filter(is_word)


def _expand(
    numbers: np.ndarray, name_rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Lists, for each name in `numbers`, the positions of its words.

  Args:
    numbers: int64 [n], names.
    name_rows: int64 [num_words], the name that each word is of, ascending.

  Returns:
    Positions in `numbers`, and in `name_rows`.
  """
  most = int(max(numbers.max(initial=-1), name_rows.max(initial=-1))) + 1
  counts = np.bincount(name_rows, minlength=most)
  starts = np.cumsum(counts) - counts
  each = counts[numbers]
  item = np.repeat(np.arange(len(numbers)), each)
  within = np.arange(len(item)) - np.repeat(np.cumsum(each) - each, each)
  return item, starts[numbers[item]] + within


def _kept(rows: np.ndarray, words: np.ndarray, names: pa.Array) -> ItemWords:
  """Drops the words of a single item."""
  counts = np.bincount(words, minlength=len(names))
  kept = np.flatnonzero(counts >= _MIN_ITEMS)
  number = np.full(len(names), -1)
  number[kept] = np.arange(len(kept))
  frequent = counts[words] >= _MIN_ITEMS
  return ItemWords(
      rows[frequent],
      number[words[frequent]],
      tuple(names.take(pa.array(kept)).to_pylist()),
  )


def typical_words(
    groups: np.ndarray,
    wanted: Sequence[int] | np.ndarray,
    words: ItemWords,
    most: int,
) -> list[tuple[str, ...]]:
  """Finds the words that set branches apart from all other items.

  Log-likelihood ratio of the word's share of items inside and outside of the
  branch: Dunning, "Accurate methods for the statistics of surprise and
  coincidence" (1993). Unlike log-odds it needs no prior for words that are
  nowhere else. The measure, and that a word counts once an item, is our choice.

  Args:
    groups: int [num_items], the branch of each item.
    wanted: the branches to describe, distinct.
    words: of the items.
    most: words per branch.

  Returns:
    Words per wanted branch, the most typical first; none where no word of two
    items is significantly more frequent than elsewhere.
  """
  num_words = len(words.names)
  slot = np.full(int(groups.max(initial=0)) + 1, -1)
  slot[wanted] = np.arange(len(wanted))
  branch = slot[groups[words.rows]]
  inside = branch >= 0
  pairs, counts = np.unique(
      branch[inside] * num_words + words.words[inside], return_counts=True
  )
  branch, word = np.divmod(pairs, num_words)
  sizes = np.bincount(groups)
  ratio = log_likelihood_ratio(
      counts,
      sizes[np.asarray(wanted)[branch]],
      np.bincount(words.words, minlength=num_words)[word],
      len(groups),
  )
  typical = np.flatnonzero((ratio > _MIN_RATIO) & (counts >= _MIN_ITEMS))
  order = typical[np.lexsort((word[typical], -ratio[typical], branch[typical]))]
  edges = np.searchsorted(branch[order], np.arange(len(wanted) + 1))
  return [
      tuple(
          words.names[number]
          for number in word[order[start : min(end, start + most)]]
      )
      for start, end in zip(edges[:-1], edges[1:], strict=True)
  ]


def log_likelihood_ratio(
    inside: np.ndarray,
    branch_size: np.ndarray,
    everywhere: np.ndarray,
    num_items: int,
) -> np.ndarray:
  """Tells how surprising the share of items with a word in a branch is.

  Args:
    inside: int [n], items of the branch that have the word.
    branch_size: int [n], items of the branch.
    everywhere: int [n], items of the catalog that have the word.
    num_items: items of the catalog.

  Returns:
    float64 [n]: G² of the table (inside, outside) x (with, without the word);
    negative where the word is rarer inside.

  >>> log_likelihood_ratio(
  ...     np.array([5, 1]), np.array([10, 10]), np.array([10, 2]), 20).tolist()
  [0.0, 0.0]
  """

  def cell(
      found: np.ndarray, row: np.ndarray, column: np.ndarray
  ) -> np.ndarray:
    expected = row * column / num_items
    share = np.divide(found, expected, out=np.ones(len(found)), where=found > 0)
    return found * np.log(share)

  outside_size, nowhere = num_items - branch_size, num_items - everywhere
  total = (
      cell(inside, branch_size, everywhere)
      + cell(branch_size - inside, branch_size, nowhere)
      + cell(everywhere - inside, outside_size, everywhere)
      + cell(outside_size - everywhere + inside, outside_size, nowhere)
  )
  rarer = inside * num_items < branch_size * everywhere
  return np.where(rarer, -2 * total, 2 * total)
