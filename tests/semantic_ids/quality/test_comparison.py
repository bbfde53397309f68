# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""All figures of several tables, measured by the same items."""

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.histories import make_histories
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import comparison
from plum_jax.semantic_ids.quality import summary
from plum_jax.semantic_ids.quality.compared_tables import ComparedTable

_NUM_ITEMS = 40


@pytest.fixture(scope='module')
def catalog():
  ids = [f'i{n}' for n in range(_NUM_ITEMS)]
  items = tables.make_items(
      pa.array(ids),
      pa.array([f'Film {n // 2}' for n in range(_NUM_ITEMS)]),
      categories=pa.array(
          [[[f'genre {n // 10}']] for n in range(_NUM_ITEMS)],
          pa.list_(pa.list_(pa.string())),
      ),
  )
  generator = np.random.default_rng(0)
  users = [f'u{n}' for n in range(20) for _ in range(6)]
  chosen = generator.integers(0, _NUM_ITEMS, len(users))
  interactions = tables.make_interactions(
      pa.array(users),
      pa.array([ids[n] for n in chosen]),
      pa.array(range(len(users))),
      time_kind='absolute',
  )
  return items, make_histories(items, interactions)


def _tables():
  generator = np.random.default_rng(1)
  first = generator.integers(0, 4, (_NUM_ITEMS, 3)).astype(np.int32)
  second = np.stack([np.arange(_NUM_ITEMS) // 10] * 2, axis=1)
  return (
      ComparedTable(
          'first', 'a', first, first, (4, 4, 4), True, (0.5, 0.4, 0.3)
      ),
      ComparedTable('second', 'b', second, second, (4, 4), False),
  )


def _compare(catalog, embeddings):
  items, histories = catalog
  return comparison.compare(
      _tables(),
      items=items,
      histories=histories,
      split=splits.leave_one_out(histories),
      embeddings=embeddings,
      num_worst_collisions=3,
  )


def test_comparison_agrees_with_the_figures_of_the_stage(catalog):
  vectors = np.random.default_rng(2).normal(size=(_NUM_ITEMS, 4))
  vectors[1] = vectors[0]
  embeddings = inputs.from_array(vectors.astype(np.float32))
  found = _compare(catalog, embeddings)
  first = _tables()[0]
  figures = summary.report(
      first.codes, first.codebook_sizes, np.array([0.5, 0.4, 0.3]), embeddings
  )
  table = found.tables[0]
  for level, entry in enumerate(table.levels, start=1):
    for name, value in (
        ('usage', entry.use.usage),
        ('perplexity', entry.use.perplexity),
        ('reconstruction_error', entry.reconstruction_error),
        ('subtrees', table.prefixes[level].subtrees.num_subtrees),
        ('cosine', table.prefixes[level].cosines['text']),
    ):
      suffix = '/text' if name == 'cosine' else ''
      assert figures[f'semantic_ids/{name}_level_{level}{suffix}'] == value
  assert table.collisions.uniqueness == figures['semantic_ids/uniqueness']
  assert found.equal_embeddings.num_items == 2
  assert found.equal_texts.num_items == _NUM_ITEMS


def test_comparison_tells_what_is_known_of_each_table(catalog):
  vectors = np.random.default_rng(2).normal(size=(_NUM_ITEMS, 4))
  found = _compare(catalog, inputs.from_array(vectors.astype(np.float32)))
  first, second = found.tables
  assert (first.name, second.name) == ('first', 'second')
  # Of codes alone nothing can be reconstructed.
  assert [level.reconstruction_error for level in second.levels] == [None] * 2
  # The second table is the categories.
  assert second.prefixes[1].purity['general'].share == 1.0
  assert second.collisions.sizes == ((10, 4),)
  worst = second.worst_collisions[0]
  assert worst.rows == tuple(range(10))
  assert (worst.distinct_embeddings, worst.distinct_texts) == (10, 5)
  assert [prefix.length for prefix in first.prefixes] == [0, 1, 2, 3]
  (pair,) = found.stability
  assert (pair.first, pair.second) == ('first', 'second')
  assert len(pair.by_length) == 2
  assert abs(pair.by_length[0].adjusted_rand) < 0.3
  assert found.num_neighbour_pairs > 30


def test_comparison_without_embeddings_leaves_cosines_out(catalog):
  found = _compare(catalog, None)
  assert found.equal_embeddings is None
  assert all(not prefix.cosines for prefix in found.tables[0].prefixes)
  assert found.tables[0].worst_collisions[0].distinct_embeddings is None
