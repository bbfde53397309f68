# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.semantic_ids import kmeans
from plum_jax.semantic_ids import residual_quantizer


def _clusters(num_clusters, per_cluster, spread=0.01):
  generator = np.random.default_rng(0)
  centers = generator.normal(size=(num_clusters, 4)) * 5
  noise = generator.normal(size=(num_clusters, per_cluster, 4)) * spread
  points = (centers[:, None] + noise).reshape(-1, 4).astype(np.float32)
  return points, centers


def test_kmeans_finds_clusters_that_lie_apart():
  points, centers = _clusters(12, 10)
  found = kmeans.kmeans(jax.random.key(3), jnp.asarray(points), 12, 10)
  distances = np.linalg.norm(centers[:, None] - np.asarray(found)[None], axis=2)
  assert distances.min(axis=1).max() < 0.02
  assert sorted(distances.argmin(axis=1)) == list(range(12))


def test_kmeans_gives_the_same_centroids_for_the_same_key():
  points = jax.random.normal(jax.random.key(0), (50, 3))
  first = kmeans.kmeans(jax.random.key(1), points, 8, 4)
  np.testing.assert_array_equal(
      first, kmeans.kmeans(jax.random.key(1), points, 8, 4)
  )
  assert np.any(first != kmeans.kmeans(jax.random.key(2), points, 8, 4))


def test_kmeans_lowers_the_error_with_each_iteration():
  points = jax.random.normal(jax.random.key(0), (200, 3))

  def error(iterations):
    centroids = kmeans.kmeans(jax.random.key(1), points, 10, iterations)
    codes = residual_quantizer.nearest_codes(points, centroids)
    return float(jnp.sum(jnp.square(points - centroids[codes])))

  errors = [error(n) for n in (0, 1, 10)]
  assert errors == sorted(errors, reverse=True)
  assert errors[-1] < 0.8 * errors[0]


def test_kmeans_uses_every_centroid_when_points_are_repeated():
  points = jnp.repeat(jnp.arange(5.0)[:, None], 20, axis=0)
  centroids = kmeans.kmeans(jax.random.key(0), points, 5, 3)
  assert sorted(centroids[:, 0].tolist()) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_kmeans_stays_finite_with_fewer_distinct_points_than_clusters():
  points = jnp.repeat(jnp.array([[1.0], [2.0]]), 10, axis=0)
  centroids = kmeans.kmeans(jax.random.key(0), points, 6, 3)
  assert set(centroids[:, 0].tolist()) == {1.0, 2.0}


def test_kmeans_refuses_fewer_points_than_clusters():
  with pytest.raises(ValueError, match='3 clusters need as many points, got 2'):
    kmeans.kmeans(jax.random.key(0), jnp.zeros((2, 1)), 3, 1)


def test_residual_kmeans_loses_less_with_each_level():
  points = jax.random.normal(jax.random.key(0), (300, 4))
  find = jax.jit(kmeans.residual_kmeans, static_argnums=2)
  books = find(jax.random.key(1), points, (16, 8, 4), 10)
  assert [book.shape for book in books] == [(16, 4), (8, 4), (4, 4)]
  result = residual_quantizer.quantize(points, books)
  sums = residual_quantizer.prefix_sums(result.codewords)
  errors = jnp.mean(jnp.square(points[:, None] - sums), axis=(0, 2))
  assert errors[0] > errors[1] > errors[2]
