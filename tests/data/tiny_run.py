# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs with tiny artifacts, made by the stages themselves."""

import numpy as np
import pyarrow as pa

from plum_jax.artifacts import manifest
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.data import build as tasks_build
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.vocabulary import build as vocabulary_build

# Two levels and a disambiguation code; items 0 and 5 collide.
CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [0, 0]])


def write_inputs(
    root,
    histories,
    codes=CODES,
    starts=None,
    step_seconds=10,
    numbers=None,
    users=None,
):
  """Writes a catalog, of item numbers per user, and a SID table.

  A user's interactions are some seconds apart, from `starts[user]` on; numbers
  are those of all interactions, one user's after the other's.
  """
  starts = starts or [0] * len(histories)
  item_ids = [f'i{i}' for i in range(len(codes))]
  user_ids = [f'u{u}' for u, items in enumerate(histories) for _ in items]
  interactions = [
      (item, start + step_seconds * t)
      for items, start in zip(histories, starts, strict=True)
      for t, item in enumerate(items)
  ]
  catalog = Catalog(
      tables.make_items(
          pa.array(item_ids), pa.array([f'Film {i}' for i in item_ids])
      ),
      tables.make_interactions(
          pa.array(user_ids),
          pa.array([item_ids[i] for i, _ in interactions]),
          pa.array([time for _, time in interactions]),
          ratings=pa.array([i + 0.5 for i, _ in interactions], pa.float32()),
          numbers={
              name: pa.array(values, pa.float32())
              for name, values in (numbers or {}).items()
          },
          time_kind='absolute',
      ),
      users,
  )
  (root / 'catalog').mkdir(parents=True)
  catalog.save(root / 'catalog')
  manifest.Manifest('catalog', {}, {}).save(root / 'catalog')
  (root / 'semantic_ids').mkdir()
  sid_table.make(
      item_ids,
      codes,
      codebook_sizes=(3, 2),
      tokenizer_hash='',
      disambiguation_size=2,
  ).save(root / 'semantic_ids' / TABLE_FILE)


def build_run(root, histories, codes=CODES, inputs=None, **kwargs):
  """Makes the folders `vocabulary` and `tasks` too; returns the run's."""
  write_inputs(root, histories, codes, **(inputs or {}))
  folders = {
      'catalog_directory': root / 'catalog',
      'semantic_ids_directory': root / 'semantic_ids',
  }
  vocabulary_build.build(root / 'vocabulary', **folders)
  tasks_build.build(root / 'tasks', **folders, **kwargs)
  return root
