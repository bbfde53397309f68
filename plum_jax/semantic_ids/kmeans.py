# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""k-means in JAX: k-means++ seeding, Lloyd's iterations, no empty clusters."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from plum_jax.semantic_ids import residual_quantizer


def seed_centroids(
    rng: jax.Array, points: jax.Array, num_clusters: int
) -> jax.Array:
  """Chooses starting centroids by k-means++.

  Each next centroid is a point drawn in proportion to its squared distance
  from the nearest centroid so far (Arthur and Vassilvitskii, 2007).

  Args:
    rng: a PRNG key.
    points: [num_points, dim].
    num_clusters: how many to choose, at most `num_points`.

  Returns:
    [num_clusters, dim].
  """
  first_key, rest_key = jax.random.split(rng)
  first = points[jax.random.randint(first_key, (), 0, points.shape[0])]
  centroids = jnp.zeros((num_clusters, points.shape[1]), points.dtype)
  uniforms = jax.random.uniform(rest_key, (num_clusters,))
  squared = jnp.sum(jnp.square(points), axis=1)

  def distances_to(centroid):
    # Clipped: rounding may leave a point at a distance below zero from itself.
    products = points @ centroid
    return jnp.maximum(
        squared - 2 * products + jnp.sum(jnp.square(centroid)), 0.0
    )

  def choose(i, state):
    centroids, distances = state
    cumulative = jnp.cumsum(distances)
    chosen = jnp.searchsorted(cumulative, uniforms[i] * cumulative[-1])
    centroid = points[jnp.minimum(chosen, points.shape[0] - 1)]
    distances = jnp.minimum(distances, distances_to(centroid))
    return centroids.at[i].set(centroid), distances

  state = centroids.at[0].set(first), distances_to(first)
  return jax.lax.fori_loop(1, num_clusters, choose, state)[0]


def _refine(points: jax.Array, centroids: jax.Array) -> jax.Array:
  """Moves centroids to their points' means, and empty ones to far points."""
  num_clusters = centroids.shape[0]
  codes = residual_quantizer.nearest_codes(points, centroids)
  sums = jax.ops.segment_sum(points, codes, num_clusters)
  counts = jnp.bincount(codes, length=num_clusters)
  means = sums / jnp.maximum(counts, 1)[:, None]
  errors = jnp.sum(jnp.square(points - centroids[codes]), axis=1)
  # The i-th empty cluster gets the i-th farthest point.
  _, farthest = jax.lax.top_k(errors, num_clusters)
  empty = counts == 0
  rank = jnp.cumsum(empty) - 1
  return jnp.where(empty[:, None], points[farthest[rank]], means)


@functools.partial(jax.jit, static_argnums=2)
def kmeans(
    rng: jax.Array,
    points: jax.Array,
    num_clusters: int,
    iterations: int | jax.Array,
) -> jax.Array:
  """Clusters points.

  Args:
    rng: a PRNG key; the same key gives the same centroids.
    points: [num_points, dim], at least `num_clusters` of them.
    num_clusters: number of centroids.
    iterations: Lloyd iterations after the seeding.

  Returns:
    Centroids [num_clusters, dim].

  >>> points = jnp.array([[0.0], [1.0], [10.0], [11.0]])
  >>> sorted(kmeans(jax.random.key(0), points, 2, 5)[:, 0].tolist())
  [0.5, 10.5]
  """
  if points.shape[0] < num_clusters:
    raise ValueError(
        f'{num_clusters} clusters need as many points, got {points.shape[0]}.'
    )
  centroids = seed_centroids(rng, points, num_clusters)
  return jax.lax.fori_loop(
      0, iterations, lambda _, state: _refine(points, state), centroids
  )


def residual_kmeans(
    rng: jax.Array,
    points: jax.Array,
    codebook_sizes: tuple[int, ...],
    iterations: int | jax.Array,
) -> tuple[jax.Array, ...]:
  """Clusters points, then what the first level left over, and so on.

  Args:
    rng: a PRNG key.
    points: [num_points, dim].
    codebook_sizes: number of codewords per level.
    iterations: Lloyd iterations per level.

  Returns:
    One codebook [codebook_size, dim] per level.
  """
  codebooks = []
  residual = points
  for level, size in enumerate(codebook_sizes):
    key = jax.random.fold_in(rng, level)
    codebook = kmeans(key, residual, size, iterations)
    codes = residual_quantizer.nearest_codes(residual, codebook)
    residual = residual - codebook[codes]
    codebooks.append(codebook)
  return tuple(codebooks)
