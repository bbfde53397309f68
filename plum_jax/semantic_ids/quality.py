# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures that tell whether Semantic IDs are any good."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import metrics_log

_CHUNK_ITEMS = 8_192


@dataclasses.dataclass(frozen=True)
class CollisionGroup:
  """Items that have the same codes.

  Attributes:
    codes: the codes, [num_levels].
    rows: item numbers, ascending.
  """

  codes: tuple[int, ...]
  rows: tuple[int, ...]


def collision_metrics(codes: np.ndarray) -> dict[str, float]:
  """Counts collisions, before the disambiguation code.

  Args:
    codes: int [num_items, num_levels].

  Returns:
    * `semantic_ids/uniqueness`: distinct code tuples / items. PLUM reports a
      uniqueness without saying how it counts; this is our choice.
    * `semantic_ids/items_without_collision`: share of items whose codes no
      other item has; never more than the uniqueness.
    * `semantic_ids/largest_collision_group`: most items on one code tuple.

  >>> collision_metrics(np.array([[0, 1], [0, 1], [1, 1], [1, 0]]))
  {'semantic_ids/uniqueness': 0.75, 'semantic_ids/items_without_collision': \
0.5, 'semantic_ids/largest_collision_group': 2}
  """
  _, counts = np.unique(codes, axis=0, return_counts=True)
  return {
      'semantic_ids/uniqueness': len(counts) / len(codes),
      'semantic_ids/items_without_collision': float(
          np.sum(counts == 1) / len(codes)
      ),
      'semantic_ids/largest_collision_group': int(counts.max()),
  }


def level_metrics(
    codes: np.ndarray, codebook_sizes: Sequence[int]
) -> dict[str, float]:
  """Tells how well the codebook of each level is used.

  Args:
    codes: int [num_items, num_levels].
    codebook_sizes: codes per level.

  Returns:
    Per level l, from 1: `semantic_ids/usage_level_<l>`, the share of codes
    that at least one item has; `semantic_ids/perplexity_level_<l>`, exp of the
    entropy of the codes over items; `semantic_ids/dead_codes_level_<l>`, how
    many codes no item has.

  >>> level_metrics(np.array([[0], [0], [2]]), (4,))[
  ...     'semantic_ids/usage_level_1']
  0.5
  """
  figures: dict[str, float] = {}
  for level, size in enumerate(codebook_sizes, start=1):
    counts = np.bincount(codes[:, level - 1], minlength=size)
    used = int(np.sum(counts > 0))
    figures[f'semantic_ids/usage_level_{level}'] = used / size
    figures[f'semantic_ids/perplexity_level_{level}'] = float(
        metrics_log.perplexity(counts)
    )
    figures[f'semantic_ids/dead_codes_level_{level}'] = size - used
  return figures


def collision_groups(codes: np.ndarray, most: int = 20) -> list[CollisionGroup]:
  """Finds the largest groups of items with the same codes.

  Args:
    codes: int [num_items, num_levels].
    most: how many groups to return.

  Returns:
    Groups of at least two items, the largest first; equal ones by their codes.

  >>> collision_groups(np.array([[5], [7], [5]]))
  [CollisionGroup(codes=(5,), rows=(0, 2))]
  """
  groups, inverse, counts = np.unique(
      codes, axis=0, return_inverse=True, return_counts=True
  )
  largest = np.argsort(-counts, kind='stable')[:most]
  return [
      CollisionGroup(
          tuple(groups[group].tolist()),
          tuple(np.flatnonzero(inverse.ravel() == group).tolist()),
      )
      for group in largest
      if counts[group] > 1
  ]


def prefix_cosines(
    embeddings: np.ndarray,
    codes: np.ndarray,
    present: np.ndarray | None = None,
) -> np.ndarray:
  """Tells how alike items are that share their first codes.

  The ranking paper's table (section on Semantic IDs): in a hierarchy, items
  that share more codes are more alike. Every pair of items counts once.

  Args:
    embeddings: [num_items, dim]; read in chunks.
    codes: int [num_items, num_levels].
    present: bool [num_items], which items have an embedding; None for all.

  Returns:
    float64 [num_levels + 1]: mean cosine of all pairs, of pairs that share the
    first code, the first two ...; NaN where there is no such pair.

  >>> prefix_cosines(np.array([[1., 0.], [2., 0.], [0., 1.]]),
  ...                np.array([[0], [0], [1]])).round(3).tolist()
  [0.333, 1.0]
  """
  rows = np.arange(len(codes)) if present is None else np.flatnonzero(present)
  means = np.full(codes.shape[1] + 1, np.nan)
  groups = np.zeros(len(rows), np.int64)
  for level in range(codes.shape[1] + 1):
    if level:
      level_codes = codes[rows, level - 1].astype(np.int64)
      key = groups * (int(level_codes.max(initial=0)) + 1) + level_codes
      _, groups = np.unique(key, return_inverse=True)
    counts = np.bincount(groups)
    pairs = np.sum(counts * (counts - 1.0))
    if pairs:
      # The sum over all pairs of a group is (|sum of v|² - sum of |v|²) / 2.
      sums, norms = _group_sums(embeddings, rows, groups, len(counts))
      means[level] = (np.square(sums).sum() - norms) / pairs
  return means


def _group_sums(
    embeddings: np.ndarray,
    rows: np.ndarray,
    groups: np.ndarray,
    num_groups: int,
) -> tuple[np.ndarray, float]:
  """Sums unit vectors per group, and their squared norms over all."""
  order = np.argsort(groups, kind='stable')
  sums = np.zeros((num_groups, embeddings.shape[1]))
  norms = 0.0
  for start in range(0, len(order), _CHUNK_ITEMS):
    chunk = order[start : start + _CHUNK_ITEMS]
    vectors = np.asarray(embeddings[rows[chunk]], np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(lengths, 1e-30)
    norms += float(np.square(vectors).sum())
    found, first = np.unique(groups[chunk], return_index=True)
    sums[found] += np.add.reduceat(vectors, first, axis=0)
  return sums, norms


def report(
    codes: np.ndarray,
    codebook_sizes: Sequence[int],
    reconstruction_errors: np.ndarray,
    embeddings: inputs.TokenizerInputs,
) -> dict[str, Any]:
  """Puts all figures together, under flat names.

  Args:
    codes: int [num_items, num_levels].
    codebook_sizes: codes per level.
    reconstruction_errors: [num_levels], from the first 1, 2, ... levels.
    embeddings: of all items.

  Returns:
    JSON values. Beside those of `collision_metrics` and `level_metrics`:
    `semantic_ids/num_items`; `semantic_ids/reconstruction_error`, and
    `..._level_<l>` when only the first l levels are decoded;
    `semantic_ids/cosine_level_<l>/<modality>`, see `prefix_cosines` (level 0:
    all pairs), null where no items share that many codes; and
    `semantic_ids/collision_groups`, a list of objects with `codes` and `rows`.
  """
  figures: dict[str, Any] = {'semantic_ids/num_items': len(codes)}
  figures |= collision_metrics(codes)
  figures |= level_metrics(codes, codebook_sizes)
  for level, error in enumerate(reconstruction_errors, start=1):
    figures[f'semantic_ids/reconstruction_error_level_{level}'] = float(error)
  figures['semantic_ids/reconstruction_error'] = float(
      reconstruction_errors[-1]
  )
  for name, array in embeddings.arrays.items():
    cosines = prefix_cosines(array, codes, embeddings.present[name])
    for level, cosine in enumerate(cosines):
      figures[f'semantic_ids/cosine_level_{level}/{name}'] = (
          None if np.isnan(cosine) else float(cosine)
      )
  figures['semantic_ids/collision_groups'] = [
      {'codes': list(group.codes), 'rows': list(group.rows)}
      for group in collision_groups(codes)
  ]
  return figures
