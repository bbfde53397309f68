# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training impressions a second with features of Semantic IDs, against hashing.

  python -m benchmarks.ranking_features

The same ranker, the same rows of tables and the same impressions of a generated
world on all sides; a side makes its batches and trains on them. Features of
Semantic IDs look up several rows an item, random hashing one.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import pathlib
import tempfile

import jax
import numpy as np

from benchmarks import alternation
from plum_jax.catalog import build as build_catalog
from plum_jax.catalog import build_impressions
from plum_jax.catalog import generated_files
from plum_jax.catalog.generated_world import GeneratedWorld
from plum_jax.item_embeddings import build as build_embeddings
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.ranking import data as ranking_data
from plum_jax.ranking import feature_kinds
from plum_jax.ranking.batches import BatchMaker
from plum_jax.ranking.batches import CONTEXT_SIZES
from plum_jax.ranking.batches import ImpressionBatches
from plum_jax.ranking.batches import Scaling
from plum_jax.ranking.data import RankingData
from plum_jax.ranking.item_features import Table
from plum_jax.ranking.model import RankerModel
from plum_jax.ranking.network import RankerConfig
from plum_jax.ranking.network import RankerShape
from plum_jax.semantic_ids import build as build_semantic_ids
from plum_jax.semantic_ids.residual_kmeans import ResidualKmeansConfig
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import optimizers
from plum_jax.training import step as steps
from plum_jax.training.config import TrainConfig

_REFERENCE = 'random_hashing'
_SIDES = (_REFERENCE, 'unigram', 'bigram', 'spm')
_STEPS = 10


def make_data(num_levels: int, run: pathlib.Path) -> RankingData:
  """Makes a world with Semantic IDs of so many levels of 256 codes."""
  world = GeneratedWorld(num_impressions=300_000)
  generated_files.build(run / 'generated_world', config=world)
  build_catalog.build(
      run / 'catalog', source=generated_files.catalog_source(str(run))
  )
  build_impressions.build(
      run / 'impressions',
      catalog_directory=run / 'catalog',
      source=generated_files.impression_source(str(run)),
  )
  content = generated_files.content_path(str(run))
  build_embeddings.build(
      run / 'item_embeddings',
      catalog_directory=run / 'catalog',
      modalities=(FileModality('content', content),),
  )
  build_semantic_ids.build(
      run / 'semantic_ids',
      catalog_directory=run / 'catalog',
      embeddings_directory=run / 'item_embeddings',
      config=build_semantic_ids.SemanticIdsConfig(
          tokenizer=ResidualKmeansConfig(
              codebook_sizes=(256,) * num_levels, split_rounds=0
          )
      ),
      seed=0,
  )
  return ranking_data.load(
      catalog_directory=run / 'catalog',
      impressions_directory=run / 'impressions',
      semantic_ids_directory=run / 'semantic_ids',
  )


def make_side(
    data: RankingData, feature: str, num_rows: int, batch_size: int
) -> alternation.Run:
  """Compiles the training of a ranker and returns what runs it for a while."""
  features = feature_kinds.named(feature, num_rows).build(data.inputs)
  if features.num_rows != num_rows:
    # The same budget: rows that no item looks up are updated all the same.
    spare = Table('unused', num_rows - features.num_rows)
    features = dataclasses.replace(features, tables=(*features.tables, spare))
  config = RankerConfig()
  scaling = Scaling.measure(data.impressions, data.split.train)
  batches = ImpressionBatches(
      BatchMaker(data.impressions, features, scaling, config.max_history),
      data.split.train,
      batch_size=batch_size,
      order='time',
      seed=0,
  )
  labels = data.impressions.labels
  model = RankerModel(
      config, RankerShape.of(features, CONTEXT_SIZES, len(labels)), labels
  )
  mesh = meshes.make_mesh()
  program = steps.build_program(
      model,
      TrainConfig(
          num_steps=1_000_000,
          optimizer=optimizers.AdamW(max_gradient_norm=1.0),
      ),
      mesh,
      axis_rules.preset(),
      {
          name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
          for name, leaf in next(batches).items()
      },
  )
  step, sharding = program.lower_step().compile(), meshes.batch_sharding(mesh)
  held = [program.init()]

  def some_steps() -> int:
    state = held[0]
    for batch in itertools.islice(batches, _STEPS):
      state, _ = step(state, jax.device_put(batch, sharding))
    held[0] = jax.block_until_ready(state)
    assert int(held[0].failed_step) < 0
    return _STEPS * batch_size

  some_steps()
  look_ups = features.look_ups[data.impressions.items]
  print(
      f'{feature}: {features.num_rows:,} rows, {np.mean(look_ups):.2f} '
      'look-ups an impressed item',
      flush=True,
  )
  return lambda seconds: alternation.repeat(some_steps, seconds)


def main() -> None:
  """Runs the benchmark and prints a table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--seconds', type=float, default=3.0)
  parser.add_argument('--levels', type=int, default=4)
  parser.add_argument('--rows', type=int, default=4_096)
  parser.add_argument('--batch_size', type=int, default=1_024)
  flags = parser.parse_args()
  alternation.pin_to_cores(2)
  print(alternation.circumstances(), flush=True)
  with tempfile.TemporaryDirectory() as folder:
    data = make_data(flags.levels, pathlib.Path(folder))
    sides = {
        name: make_side(data, name, flags.rows, flags.batch_size)
        for name in _SIDES
    }
    rates = alternation.alternate(
        sides, rounds=flags.rounds, seconds=flags.seconds
    )
  for name, found in rates.items():
    ratio = alternation.ratios(found.per_second, rates[_REFERENCE].per_second)
    by_core = alternation.ratios(
        found.per_core_second, rates[_REFERENCE].per_core_second
    )
    print(
        f'{name:16} {alternation.spread(found.per_second)} impressions/s, '
        f'x {_REFERENCE}: {ratio}, by core seconds: {by_core}'
    )


if __name__ == '__main__':
  main()
