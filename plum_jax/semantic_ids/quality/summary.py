# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures that tell whether Semantic IDs are any good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import collision_groups
from plum_jax.semantic_ids.quality import cosines
from plum_jax.semantic_ids.quality import duplicates
from plum_jax.semantic_ids.quality import level_use
from plum_jax.semantic_ids.quality import prefixes


def report(
    codes: np.ndarray,
    codebook_sizes: Sequence[int],
    reconstruction_errors: np.ndarray,
    embeddings: inputs.TokenizerInputs,
) -> dict[str, Any]:
  """Puts what follows from codes and embeddings under flat names.

  Args:
    codes: int [num_items, num_levels], before collisions were resolved.
    codebook_sizes: codes per level.
    reconstruction_errors: [num_levels], from the first 1, 2, ... levels.
    embeddings: of all items.

  Returns:
    JSON values, all names beginning with `semantic_ids/`:
    * `num_items`; `uniqueness`, `items_without_collision` and
      `largest_collision_group`, see `collision_groups.Collisions`;
      `collision_groups`, a list of objects with `codes` and `rows`;
    * `distinct_embeddings`: distinct embeddings / items, which no uniqueness
      can exceed;
    * per level l, from 1: `usage_level_<l>`, `perplexity_level_<l>` and
      `dead_codes_level_<l>`, see `level_use.LevelUse`;
    * `reconstruction_error`, and `..._level_<l>` when only the first l levels
      are decoded;
    * `subtrees_level_<l>`, `mean_subtree_level_<l>`,
      `median_subtree_level_<l>` and `largest_subtree_level_<l>`: how many
      prefixes of l codes there are, and how many items share one;
    * `cosine_level_<l>/<modality>`, see `cosines.prefix_cosines`
      (level 0: all pairs), null where no items share that many codes.
  """
  groups = prefixes.prefix_groups(codes)
  found = collision_groups.count(groups[-1])
  repeated = duplicates.count(duplicates.embedding_groups(embeddings))
  figures: dict[str, Any] = {
      'num_items': len(codes),
      'uniqueness': found.uniqueness,
      'items_without_collision': found.items_without_collision,
      'largest_collision_group': found.largest_group,
      'distinct_embeddings': repeated.num_distinct / len(codes),
  }
  for level, use in enumerate(
      level_use.level_use(codes, codebook_sizes), start=1
  ):
    figures[f'usage_level_{level}'] = use.usage
    figures[f'perplexity_level_{level}'] = use.perplexity
    figures[f'dead_codes_level_{level}'] = use.dead_codes
  for level, error in enumerate(reconstruction_errors, start=1):
    figures[f'reconstruction_error_level_{level}'] = float(error)
  figures['reconstruction_error'] = float(reconstruction_errors[-1])
  for level in range(1, len(groups)):
    sizes = prefixes.subtree_sizes(groups[level])
    figures[f'subtrees_level_{level}'] = sizes.num_subtrees
    figures[f'mean_subtree_level_{level}'] = sizes.mean
    figures[f'median_subtree_level_{level}'] = sizes.median
    figures[f'largest_subtree_level_{level}'] = sizes.largest
  means_by_modality = cosines.prefix_cosines(embeddings, codes)
  for name, means in means_by_modality.items():
    for level, cosine in enumerate(means):
      figures[f'cosine_level_{level}/{name}'] = (
          None if np.isnan(cosine) else float(cosine)
      )
  figures['collision_groups'] = [
      {'codes': list(group.codes), 'rows': list(group.rows)}
      for group in collision_groups.collision_groups(codes)
  ]
  return {f'semantic_ids/{name}': value for name, value in figures.items()}
