# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A small generated world, its Semantic IDs and impressions."""

import pathlib

from plum_jax.catalog import build as build_catalog
from plum_jax.catalog import build_impressions
from plum_jax.catalog import generated_files
from plum_jax.catalog.generated_world import GeneratedWorld
from plum_jax.item_embeddings import build as build_embeddings
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.ranking import data
from plum_jax.semantic_ids import build as build_semantic_ids
from plum_jax.semantic_ids.residual_kmeans import ResidualKmeansConfig

WORLD = GeneratedWorld(
    num_items=300,
    num_users=60,
    num_impressions=12_000,
    num_days=4,
    branching=(4, 3),
    level_scales=(0.8, 0.6, 0.2),
    content_size=8,
    taste_size=4,
    appeal_scale=2.0,
    share_at_start=0.5,
)
CODEBOOK_SIZES = (8, 8, 8, 8)


def build(run: pathlib.Path) -> pathlib.Path:
  """Writes what the stages before `ranking` leave."""
  generated_files.build(run / 'generated_world', config=WORLD)
  build_catalog.build(
      run / 'catalog', source=generated_files.catalog_source(str(run))
  )
  build_impressions.build(
      run / 'impressions',
      catalog_directory=run / 'catalog',
      source=generated_files.impression_source(str(run)),
  )
  build_embeddings.build(
      run / 'item_embeddings',
      catalog_directory=run / 'catalog',
      modalities=(
          FileModality('content', generated_files.content_path(str(run))),
      ),
  )
  build_semantic_ids.build(
      run / 'semantic_ids',
      catalog_directory=run / 'catalog',
      embeddings_directory=run / 'item_embeddings',
      config=build_semantic_ids.SemanticIdsConfig(
          tokenizer=ResidualKmeansConfig(codebook_sizes=CODEBOOK_SIZES)
      ),
      seed=0,
  )
  return run


def load(run: pathlib.Path, **options) -> data.RankingData:
  return data.load(
      catalog_directory=run / 'catalog',
      impressions_directory=run / 'impressions',
      semantic_ids_directory=run / 'semantic_ids',
      embeddings_directory=run / 'item_embeddings',
      **options,
  )
