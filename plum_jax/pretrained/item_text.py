# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the titles of items say about the codes that the items carry."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np
import sentencepiece

# Numbers gathered at a time: 256 MiB as float32.
_CHUNK = 2**26


@dataclasses.dataclass(frozen=True, eq=False)
class ItemText:
  """Titles as text pieces, beside the items' codes.

  Attributes:
    piece_ids: int32 [num_pieces], the titles one after another.
    offsets: int64 [num_items + 1], where each title starts.
    full_codes: int32 [num_items, num_levels], the disambiguation code last.
    level_sizes: number of codes of each level.
  """

  piece_ids: np.ndarray
  offsets: np.ndarray
  full_codes: np.ndarray
  level_sizes: tuple[int, ...]

  @classmethod
  def encode(
      cls,
      titles: Sequence[str | None],
      model: bytes,
      full_codes: np.ndarray,
      level_sizes: Sequence[int],
  ) -> ItemText:
    """Encodes titles.

    Args:
      titles: one an item; None or empty where there is none.
      model: a serialized SentencePiece model.
      full_codes: int [num_items, num_levels].
      level_sizes: number of codes of each level.
    """
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(model)
    encoded = processor.encode([title or '' for title in titles], out_type=int)
    lengths = np.array([len(ids) for ids in encoded], np.int64)
    return cls(
        piece_ids=np.concatenate([np.asarray(x, np.int32) for x in encoded])
        if lengths.sum()
        else np.zeros(0, np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        full_codes=np.asarray(full_codes),
        level_sizes=tuple(level_sizes),
    )

  def code_means(self, text_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Averages the rows of titles' pieces over each code's items.

    A title counts as the mean of its pieces; every item that carries a code
    counts the same, whatever the length of its title.

    Args:
      text_rows: float32 [num_text, width].

    Returns:
      float32 [num_codes, width], codes of all levels one level after another;
      and bool [num_codes], whether any item with a title carries the code.

    >>> item_text = ItemText(
    ...     piece_ids=np.array([0, 1, 1]), offsets=np.array([0, 2, 3, 3]),
    ...     full_codes=np.array([[0, 0], [0, 1], [1, 1]]), level_sizes=(2, 2))
    >>> means, known = item_text.code_means(np.array([[2.0], [4.0]]))
    >>> means[:, 0].tolist(), known.tolist()
    ([3.5, 0.0, 3.0, 4.0], [True, False, True, True])
    """
    width = text_rows.shape[1]
    first = np.concatenate([[0], np.cumsum(self.level_sizes)[:-1]])
    codes = self.full_codes + first[None, :]
    num_codes = sum(self.level_sizes)
    sums = np.zeros((num_codes, width), np.float64)
    counts = np.zeros(num_codes, np.int64)
    lengths = np.diff(self.offsets)
    items = np.flatnonzero(lengths)
    for chunk in _chunks(items, lengths, max(_CHUNK // width, 1)):
      start, end = self.offsets[chunk[0]], self.offsets[chunk[-1] + 1]
      pieces = text_rows[self.piece_ids[start:end]]
      # Items between these have no pieces, so the runs follow each other.
      titles = np.add.reduceat(pieces, self.offsets[chunk] - start, axis=0)
      titles = titles / lengths[chunk][:, None]
      for level in range(codes.shape[1]):
        order = np.argsort(codes[chunk, level], kind='stable')
        found, runs, sizes = np.unique(
            codes[chunk, level][order], return_index=True, return_counts=True
        )
        sums[found] += np.add.reduceat(titles[order], runs, axis=0)
        counts[found] += sizes
    means = sums / np.maximum(counts, 1)[:, None]
    return means.astype(np.float32), counts > 0


def _chunks(items: np.ndarray, lengths: np.ndarray, most: int):
  """Cuts items into runs of at most `most` pieces, or of one item."""
  before = np.cumsum(lengths[items])
  start = 0
  while start < len(items):
    done = before[start - 1] if start else 0
    end = int(np.searchsorted(before, done + most, side='right'))
    end = max(end, start + 1)
    yield items[start:end]
    start = end
