# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every figure of the quality report, for one SID table or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np
import pyarrow as pa

from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import category_purity
from plum_jax.semantic_ids.quality import collision_groups
from plum_jax.semantic_ids.quality import cosines
from plum_jax.semantic_ids.quality import duplicates
from plum_jax.semantic_ids.quality import level_use
from plum_jax.semantic_ids.quality import neighbours
from plum_jax.semantic_ids.quality import prefixes
from plum_jax.semantic_ids.quality import stability
from plum_jax.semantic_ids.quality.compared_tables import ComparedTable


@dataclasses.dataclass(frozen=True)
class Level:
  """A level's codebook.

  Attributes:
    use: how many of its codes items have.
    reconstruction_error: when this and the levels before it are decoded; None
      if there is no tokenizer to decode with.
  """

  use: level_use.LevelUse
  reconstruction_error: float | None


@dataclasses.dataclass(frozen=True)
class Prefix:
  """Items that share their first codes.

  Attributes:
    length: how many codes; 0 is the whole catalog.
    subtrees: how many items share them.
    cosines: mean over pairs of items that share them, by modality; None where
      there is no such pair.
    purity: `general` and `specific`, where items have categories.
    co_occurrence: whether neighbours in histories share them; None without
      pairs of neighbours.
  """

  length: int
  subtrees: prefixes.SubtreeSizes
  cosines: Mapping[str, float | None]
  purity: Mapping[str, category_purity.Purity | None]
  co_occurrence: neighbours.CoOccurrence | None


@dataclasses.dataclass(frozen=True)
class WorstCollision:
  """One of the largest groups of items with the same codes.

  Attributes:
    codes: the codes.
    rows: item numbers.
    distinct_embeddings: how many different embeddings these items have; None
      without embeddings.
    distinct_texts: how many different texts.
  """

  codes: tuple[int, ...]
  rows: tuple[int, ...]
  distinct_embeddings: int | None
  distinct_texts: int


@dataclasses.dataclass(frozen=True)
class TableQuality:
  """The figures of one table.

  Attributes:
    name: see `ComparedTable`, as `source`, `codebook_sizes_known`,
      `num_ignored` and `num_moved`.
    source: the path.
    codebook_sizes_known: whether sizes are stated.
    num_ignored: items that the catalog lacks.
    num_moved: items whose codes were changed to resolve collisions.
    collisions: before they were resolved.
    worst_collisions: the largest groups.
    levels: one a level.
    prefixes: for the first 0, 1, 2, ... codes.
  """

  name: str
  source: str
  codebook_sizes_known: bool
  num_ignored: int
  num_moved: int
  collisions: collision_groups.Collisions
  worst_collisions: tuple[WorstCollision, ...]
  levels: tuple[Level, ...]
  prefixes: tuple[Prefix, ...]


@dataclasses.dataclass(frozen=True)
class Stability:
  """Two of the tables, compared.

  Attributes:
    first: the name of one.
    second: the name of the other.
    by_length: for the first 1, 2, ... codes.
  """

  first: str
  second: str
  by_length: tuple[stability.Agreement, ...]


@dataclasses.dataclass(frozen=True)
class Comparison:
  """All figures of the report.

  Attributes:
    num_items: size of the catalog.
    num_neighbour_pairs: pairs of neighbours in the training windows.
    equal_embeddings: items that no tokenizer can part; None without
      embeddings.
    equal_texts: items with all text fields equal.
    tables: in the given order.
    stability: of each two tables.
  """

  num_items: int
  num_neighbour_pairs: int
  equal_embeddings: duplicates.Duplicates | None
  equal_texts: duplicates.Duplicates
  tables: tuple[TableQuality, ...]
  stability: tuple[Stability, ...]


def compare(
    tables: Sequence[ComparedTable],
    *,
    items: pa.Table,
    histories: Histories,
    split: Split,
    embeddings: inputs.TokenizerInputs | None,
    num_worst_collisions: int = 20,
    seed: int = 0,
) -> Comparison:
  """Measures tables by the same items, histories and embeddings.

  Args:
    tables: over the same items, with different names.
    items: the catalog's item table.
    histories: of its users.
    split: only its training windows are read.
    embeddings: of all items; None if there are none.
    num_worst_collisions: groups to list for each table.
    seed: of the shuffle that purity is compared with.

  Returns:
    The figures.
  """
  pairs = neighbours.neighbour_pairs(histories, split)
  labels = category_purity.category_labels(items['categories'])
  texts = duplicates.text_groups(items)
  vectors = None
  if embeddings is not None:
    vectors = duplicates.embedding_groups(embeddings)
  # The groups of one table at a time, but for the comparison of two.
  measured = []
  for table in tables:
    groups = prefixes.prefix_groups(table.codes)
    measured.append(
        TableQuality(
            name=table.name,
            source=table.source,
            codebook_sizes_known=table.codebook_sizes_known,
            num_ignored=table.num_ignored,
            num_moved=table.num_moved,
            collisions=collision_groups.count(groups[-1]),
            worst_collisions=_worst(
                table.codes, num_worst_collisions, vectors, texts
            ),
            levels=_levels(table),
            prefixes=_prefixes(
                groups, _cosines(embeddings, table.codes), labels, pairs, seed
            ),
        )
    )
  return Comparison(
      num_items=items.num_rows,
      num_neighbour_pairs=len(pairs),
      equal_embeddings=None if vectors is None else duplicates.count(vectors),
      equal_texts=duplicates.count(texts),
      tables=tuple(measured),
      stability=_stability(tables),
  )


def _levels(table: ComparedTable) -> tuple[Level, ...]:
  uses = level_use.level_use(table.codes, table.codebook_sizes)
  errors = table.reconstruction_errors or (None,) * len(uses)
  return tuple(Level(use, e) for use, e in zip(uses, errors, strict=True))


def _cosines(
    embeddings: inputs.TokenizerInputs | None, codes: np.ndarray
) -> list[dict[str, float | None]]:
  """Returns the means by modality, for each prefix length."""
  if embeddings is None:
    return [{} for _ in range(codes.shape[1] + 1)]
  found = cosines.prefix_cosines(embeddings, codes)
  return [
      {
          name: None if np.isnan(means[length]) else float(means[length])
          for name, means in found.items()
      }
      for length in range(codes.shape[1] + 1)
  ]


def _prefixes(
    groups: Sequence[np.ndarray],
    cosines: Sequence[Mapping[str, float | None]],
    labels: Mapping[str, category_purity.Labels],
    pairs: np.ndarray,
    seed: int,
) -> tuple[Prefix, ...]:
  return tuple(
      Prefix(
          length=length,
          subtrees=prefixes.subtree_sizes(group),
          cosines=cosine,
          purity={
              name: category_purity.purity(group, kind, seed)
              for name, kind in labels.items()
          },
          co_occurrence=neighbours.co_occurrence(group, pairs),
      )
      for length, (group, cosine) in enumerate(
          zip(groups, cosines, strict=True)
      )
  )


def _worst(
    codes: np.ndarray,
    most: int,
    vectors: np.ndarray | None,
    texts: np.ndarray,
) -> tuple[WorstCollision, ...]:
  def distinct(numbers: np.ndarray, rows: tuple[int, ...]) -> int:
    return len(np.unique(numbers[list(rows)]))

  return tuple(
      WorstCollision(
          codes=group.codes,
          rows=group.rows,
          distinct_embeddings=None
          if vectors is None
          else distinct(vectors, group.rows),
          distinct_texts=distinct(texts, group.rows),
      )
      for group in collision_groups.collision_groups(codes, most)
  )


def _stability(tables: Sequence[ComparedTable]) -> tuple[Stability, ...]:
  found = []
  for number, first in enumerate(tables):
    first_groups = prefixes.prefix_groups(first.codes)
    for second in tables[number + 1 :]:
      second_groups = prefixes.prefix_groups(second.codes)
      agreed = stability.agreement(
          first.codes, second.codes, first_groups, second_groups
      )
      found.append(Stability(first.name, second.name, tuple(agreed)))
  return tuple(found)
