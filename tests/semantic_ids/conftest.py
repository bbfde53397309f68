# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A small catalog with embeddings and a tokenizer, as stages leave them."""

import pathlib

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.item_embeddings import build as embed
from plum_jax.item_embeddings import modalities
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer

NUM_ITEMS = 50
_SIZES = (('text', 6), ('image', 3))


@pytest.fixture
def small_run(tmp_path, write_tokenizer) -> pathlib.Path:
  """A folder with catalog/, item_embeddings/ and tokenizer/.

  Of its 50 items, every third has no image, and three have equal embeddings.
  """
  catalog = tmp_path / 'catalog'
  catalog.mkdir()
  ids = [f'item {number}' for number in range(NUM_ITEMS)]
  pq.write_table(pa.table({'item_id': ids}), catalog / 'items.parquet')
  generator = np.random.default_rng(0)
  files = []
  for name, size in _SIZES:
    rows = generator.normal(size=(NUM_ITEMS, size)).astype(np.float32)
    rows[[5, 41]] = rows[2]
    path = tmp_path / f'{name}.npy'
    np.save(path, rows)
    files.append(modalities.FileModality(name, str(path)))
  np.save(tmp_path / 'image.present.npy', np.arange(NUM_ITEMS) % 3 == 2)
  embed.build(
      tmp_path / 'item_embeddings', catalog_directory=catalog, modalities=files
  )
  write_tokenizer(tmp_path / 'tokenizer')
  return tmp_path


@pytest.fixture
def write_tokenizer():
  """Writes an RQ-VAE with random numbers into a folder."""

  def write(directory: pathlib.Path, seed: int = 0) -> None:
    module = rqvae.Rqvae(rqvae.RqvaeConfig((16, 32), (8,), 4), _SIZES)
    generator = np.random.default_rng(seed)
    variables = jax.tree.map(
        lambda leaf: generator.normal(size=leaf.shape).astype(np.float32),
        rqvae_tokenizer.variable_shapes(module),
    )
    rqvae_tokenizer.RqvaeTokenizer(module, variables).save(directory)

  return write
