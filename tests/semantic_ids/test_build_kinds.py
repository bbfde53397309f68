# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage with a tokenizer other than the RQ-VAE."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.item_embeddings import build as embed
from plum_jax.item_embeddings import modalities
from plum_jax.semantic_ids import build
from plum_jax.semantic_ids import residual_kmeans
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer_kinds
from plum_jax.semantic_ids import train_step


def test_build_with_residual_kmeans_leaves_its_tokenizer_and_table(tmp_path):
  (tmp_path / 'catalog').mkdir()
  pq.write_table(
      pa.table({'item_id': [f'i{i}' for i in range(50)]}),
      tmp_path / 'catalog' / 'items.parquet',
  )
  generator = np.random.default_rng(0)
  np.save(tmp_path / 'vectors.npy', generator.normal(size=(50, 6)))
  embed.build(
      tmp_path / 'item_embeddings',
      catalog_directory=tmp_path / 'catalog',
      modalities=[
          modalities.FileModality('text', str(tmp_path / 'vectors.npy'))
      ],
  )

  config = build.SemanticIdsConfig(
      tokenizer=residual_kmeans.ResidualKmeansConfig((8, 4))
  )

  def make(config):
    return build.build(
        tmp_path / 'semantic_ids',
        catalog_directory=tmp_path / 'catalog',
        embeddings_directory=tmp_path / 'item_embeddings',
        config=config,
        seed=0,
    )

  made = make(config)
  folder = tmp_path / 'semantic_ids'
  tokenizer = tokenizer_kinds.load(folder / build.TOKENIZER_FOLDER)
  assert tokenizer.codebook_sizes == (8, 4)
  table = sid_table.load(
      folder / build.TABLE_FILE,
      tokenizer_directory=folder / build.TOKENIZER_FOLDER,
  )
  assert len(table.item_ids) == 50
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  figures = json.loads((folder / build.QUALITY_FILE).read_text())
  np.testing.assert_allclose(
      json.loads(lines[-1])['reconstruction'],
      figures['semantic_ids/reconstruction_error'],
      rtol=1e-4,
  )
  # How an RQ-VAE would be trained does not make the table another one.
  training = train_step.TrainConfig(epochs=7)
  assert make(dataclasses.replace(config, training=training)) == made
