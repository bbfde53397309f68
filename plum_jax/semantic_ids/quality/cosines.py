# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Mean cosine of items that share their first codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses

import numpy as np

from plum_jax.artifacts import progress
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import prefixes

_CHUNK_ITEMS = 4_096
# Sums of a pass over the file; what does not fit waits for another pass.
_SUM_BYTES = 512 << 20


def prefix_cosines(
    embeddings: inputs.TokenizerInputs,
    codes: np.ndarray,
    *,
    sum_bytes: int = _SUM_BYTES,
) -> dict[str, np.ndarray]:
  """Tells how alike items are that share their first codes.

  The ranking paper's table (arXiv 2306.08121, the section on Semantic IDs): in
  a hierarchy, items that share more codes are more alike. Every pair of items
  counts once, and items that lack a modality are left out of its mean.

  Embeddings are read from first to last row, a few thousand at a time. The sum
  over the pairs of a group follows from the sum of its unit vectors; such sums
  are held only for groups of two and more.

  Args:
    embeddings: of all items.
    codes: int [num_items, num_levels].
    sum_bytes: room for sums. All levels go in one pass over the file if they
      fit; otherwise it is read again.

  Returns:
    Per modality float64 [num_levels + 1]: mean cosine of all pairs, of pairs
    that share the first code, the first two ...; NaN where there is no such
    pair.

  >>> vectors = np.array([[1., 0.], [2., 0.], [0., 1.]])
  >>> cosines = prefix_cosines(
  ...     inputs.from_array(vectors), np.array([[0], [0], [1]]))
  >>> cosines['text'].round(3).tolist()
  [0.333, 1.0]
  """
  groups = prefixes.prefix_groups(codes)
  measures = {}
  for name, size in embeddings.modality_sizes:
    present = np.asarray(embeddings.present[name])
    counts = [np.bincount(level[present]) for level in groups]
    measures[name] = _Modality(size, groups, counts)
  waiting = [
      part
      for modality in measures.values()
      for part in modality.parts(sum_bytes)
  ]
  while waiting:
    chosen = _fitting(waiting, sum_bytes)
    waiting = waiting[len(chosen) :]
    _read(embeddings, measures, chosen)
    for part in chosen:
      part.modality.squared_sums[part.level] += part.squared_sum()
      part.modality.has_norms = True
  return {name: modality.means() for name, modality in measures.items()}


@dataclasses.dataclass(eq=False)
class _Part:
  """Sums of unit vectors of some groups of a level.

  Attributes:
    modality: what it belongs to.
    level: the prefix's length.
    first: the first of the level's groups of two and more.
    last: the end of them.
    slots: int32 [num_groups], the group's row in `sums`, or -1.
    sums: float32 [last - first, dim]; like `slots` only there in its pass.
  """

  modality: _Modality
  level: int
  first: int
  last: int
  slots: np.ndarray | None = None
  sums: np.ndarray | None = None

  @property
  def num_bytes(self) -> int:
    """Size of the sums."""
    return (self.last - self.first) * self.modality.dim * 4

  def start(self) -> None:
    """Takes the memory."""
    number = np.full(len(self.modality.counts[self.level]), -1, np.int32)
    shared = self.modality.shared_groups(self.level)[self.first : self.last]
    number[shared] = np.arange(len(shared))
    self.slots = number
    self.sums = np.zeros((len(shared), self.modality.dim), np.float32)

  def add(self, found: np.ndarray, partial: np.ndarray) -> None:
    """Adds sums of a chunk; each group of `found` comes once."""
    assert self.slots is not None
    assert self.sums is not None
    slot = self.slots[found]
    mine = slot >= 0
    self.sums[slot[mine]] += partial[mine]

  def squared_sum(self) -> float:
    """Returns the sum of the squared lengths, and gives the memory back."""
    assert self.sums is not None
    total = np.einsum('ij,ij->', self.sums, self.sums, dtype=np.float64)
    self.slots = self.sums = None
    return float(total)


class _Modality:
  """What is known of one modality after some passes."""

  def __init__(
      self,
      dim: int,
      groups: Sequence[np.ndarray],
      counts: Sequence[np.ndarray],
  ):
    self.dim, self.groups, self.counts = dim, groups, counts
    self.squared_sums = np.zeros(len(groups))
    # Of the items that share the prefix with another: |v|², 1 or 0. Known
    # after the modality's first pass.
    self.has_norms = False
    self.squared_norms = np.zeros(len(groups))

  def add_norms(self, rows: np.ndarray, squared_norms: np.ndarray) -> None:
    """Adds |v|² of a chunk's items to the levels where they share a prefix."""
    for level, (groups, counts) in enumerate(
        zip(self.groups, self.counts, strict=True)
    ):
      shared = counts[groups[rows]] > 1
      self.squared_norms[level] += squared_norms[shared].sum()

  def shared_groups(self, level: int) -> np.ndarray:
    """Returns the groups of two and more items."""
    return np.flatnonzero(self.counts[level] > 1)

  def parts(self, sum_bytes: int) -> Iterator[_Part]:
    """Cuts the groups of each level into parts that fit."""
    most = max(1, sum_bytes // (self.dim * 4))
    for level in range(len(self.groups)):
      number = len(self.shared_groups(level))
      for first in range(0, number, most):
        yield _Part(self, level, first, min(first + most, number))

  def means(self) -> np.ndarray:
    """Returns the mean cosine per level."""
    pairs = np.array([np.sum(c * (c - 1.0)) for c in self.counts])
    # The sum over all pairs of a group is (|sum of v|² - sum of |v|²) / 2.
    total = self.squared_sums - self.squared_norms
    return np.divide(
        total, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0
    )


def _fitting(waiting: Sequence[_Part], sum_bytes: int) -> list[_Part]:
  """Returns the first parts that fit together; at least one."""
  sizes = np.cumsum([part.num_bytes for part in waiting])
  return list(waiting[: max(1, int(np.sum(sizes <= sum_bytes)))])


def _read(
    embeddings: inputs.TokenizerInputs,
    measures: dict[str, _Modality],
    parts: Sequence[_Part],
) -> None:
  """Reads all embeddings once, in order, and fills the parts."""
  for part in parts:
    part.start()
  number = embeddings.num_items
  report = progress.Progress('semantic_ids: cosines', number, 'items')
  for start in range(0, number, _CHUNK_ITEMS):
    stop = min(start + _CHUNK_ITEMS, number)
    arrays, present = embeddings.rows(slice(start, stop))
    for name, modality in measures.items():
      own = [part for part in parts if part.modality is modality]
      rows = np.flatnonzero(present[name])
      if len(rows) and own:
        _add_chunk(modality, own, arrays[name][rows], start + rows)
    report.update(stop)


def _add_chunk(
    modality: _Modality,
    parts: Sequence[_Part],
    vectors: np.ndarray,
    rows: np.ndarray,
) -> None:
  """Adds the items of a chunk to the sums of their groups."""
  deepest = len(modality.groups) - 1
  order = np.argsort(modality.groups[deepest][rows], kind='stable')
  rows = rows[order]
  sums = vectors[order]
  lengths = np.linalg.norm(sums, axis=1, keepdims=True)
  sums /= np.maximum(lengths, 1e-30)
  if not modality.has_norms:
    squares = np.einsum('ij,ij->i', sums, sums, dtype=np.float64)
    modality.add_norms(rows, squares)
  # Groups of a level lie within those of the level above, so their sums add
  # up from level to level, and each vector is touched once.
  for level in range(deepest, min(part.level for part in parts) - 1, -1):
    found = modality.groups[level][rows]
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    sums = _run_sums(sums, starts)
    rows, found = rows[starts], found[starts]
    for part in parts:
      if part.level == level:
        part.add(found, sums)


def _run_sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
  """Sums runs of rows, pair by pair; np.add.reduceat takes 50 times as long.

  Args:
    values: [n, dim]; changed.
    starts: [num_runs], first row of each run, from 0.

  Returns:
    [num_runs, dim].

  >>> _run_sums(np.array([[1.], [2.], [4.], [8.]]), np.array([0, 3])).tolist()
  [[7.0], [8.0]]
  """
  lengths = np.diff(starts, append=len(values))
  rank = np.arange(len(values)) - np.repeat(starts, lengths)
  while len(values) > len(starts):
    odd = rank % 2 == 1
    values[np.flatnonzero(odd) - 1] += values[odd]
    values, rank = values[~odd], rank[~odd] // 2
  return values
