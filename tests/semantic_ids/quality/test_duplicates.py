# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Equal embeddings and texts are found exactly."""

import numpy as np
import pyarrow as pa

from plum_jax.catalog import tables
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import duplicates


def test_embedding_groups_equal_brute_force(monkeypatch):
  monkeypatch.setattr(duplicates, '_CHUNK_ITEMS', 7)
  generator = np.random.default_rng(0)
  title = generator.integers(0, 2, (40, 3)).astype(np.float32)
  image = generator.integers(0, 2, (40, 1)).astype(np.float32)
  present = generator.random(40) < 0.5
  title[3] = -title[3]  # -0 is 0.
  embeddings = inputs.TokenizerInputs(
      {'title': title, 'image': image},
      {'title': np.ones(40, bool), 'image': present},
  )
  keys = [
      (*title[i].tolist(), image[i, 0] if present[i] else None)
      for i in range(40)
  ]
  distinct = list(dict.fromkeys(keys))
  found = duplicates.embedding_groups(embeddings)
  assert found.tolist() == [distinct.index(key) for key in keys]


def test_embeddings_that_differ_in_the_last_bit_are_different():
  value = np.float32(0.1)
  next_value = np.nextafter(value, np.float32(1))
  vectors = np.array([[value, 1], [next_value, 1], [value, 1]], np.float32)
  found = duplicates.embedding_groups(inputs.from_array(vectors))
  assert found.tolist() == [0, 1, 0]


def test_text_groups_compare_all_text_fields():
  items = tables.make_items(
      pa.array(list('abcde')),
      pa.array(['Heat', 'Heat', 'Heat', '', '']),
      categories=pa.array(
          [[['Drama']], [['Drama']], [['Crime']], [], []],
          pa.list_(pa.list_(pa.string())),
      ),
  )
  found = duplicates.text_groups(items)
  # Items without any text are not taken for equal.
  assert found.tolist() == [0, 0, 1, 2, 3]
  counted = duplicates.count(found)
  assert counted == duplicates.Duplicates(4, 2, 2)
