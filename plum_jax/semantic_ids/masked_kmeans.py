# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""k-means over wide points, some of whose modalities may be missing.

Made for embeddings and for what levels of codes leave of them, where plain
k-means fails: in hundreds of dimensions most residuals stand at right angles to
each other, so that a point taken as a centroid is farther from all other points
than a centroid near 0 is, and keeps only itself. Lloyd's iterations do not
recover from that: nearly all points share one code, the others have a point
each. Here the first assignment goes by direction, whatever the centroids'
lengths. From the means of these groups on, Lloyd's iterations keep all codes in
use.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from plum_jax.semantic_ids import masked_points
from plum_jax.semantic_ids.masked_points import Modalities

# Points tried for each next seed, about scikit-learn's 2 + log(codes).
_SEED_TRIALS = 8
START_ITERATIONS = 8
# Codes without collapse are worth a few percent of error, which collapsed ones
# may save.
_MUCH_LESS = 0.95
# Of a round of `improve`: one of so many codes moves; how far a new codeword
# lies from the old one towards an item; iterations with more codes than wanted,
# and in all. Moving more codes lowers the error further and leaves codes less
# evenly used; more rounds lower it more than as many iterations do.
_MOVED_SHARE = 8
_TOWARDS_ITEM = 0.25
_GROWN_ITERATIONS = 2
IMPROVE_ITERATIONS = 5


class Clusters(NamedTuple):
  """The state between iterations.

  Attributes:
    codebook: [codebook_size, width].
    codes: int32 [num_points], the nearest codeword of each point.
    errors: [num_points], squared distances from it.
    iterations: int32 scalar: how many were run.
    changed: bool scalar: whether the last one changed a code.
  """

  codebook: jax.Array
  codes: jax.Array
  errors: jax.Array
  iterations: jax.Array
  changed: jax.Array


@functools.partial(jax.jit, static_argnums=(2, 3))
def seed(
    rng: jax.Array,
    points: jax.Array,
    codebook_size: int,
    modalities: Modalities,
) -> jax.Array:
  """Chooses points as first centroids by greedy k-means++.

  k-means++ draws each next centroid in proportion to its squared distance from
  the nearest one so far (Arthur and Vassilvitskii, 2007); the greedy form draws
  several and keeps the one that lowers the sum of distances most.

  Args:
    rng: a PRNG key.
    points: [num_points, width + number of modalities], see `masked_points`.
    codebook_size: how many to choose.
    modalities: (name, width) of each modality.

  Returns:
    [codebook_size, width], 0 where a chosen point lacks a modality.
  """
  width = points.shape[1] - len(modalities)
  squares = masked_points.squared_norms(points, modalities)
  first_key, rest_key = jax.random.split(rng)
  first = jax.random.randint(first_key, (1,), 0, points.shape[0])
  uniforms = jax.random.uniform(rest_key, (codebook_size, _SEED_TRIALS))

  def distances(rows):
    scores = masked_points.scores(points, points[rows, :width], modalities)
    return jnp.maximum(squares[:, None] - 2 * scores, 0.0)

  def choose(i, state):
    chosen, nearest = state
    cumulative = jnp.cumsum(nearest)
    drawn = jnp.searchsorted(cumulative, uniforms[i] * cumulative[-1])
    drawn = jnp.minimum(drawn, points.shape[0] - 1)
    reached = jnp.minimum(nearest[:, None], distances(drawn))
    best = jnp.argmin(jnp.sum(reached, axis=0))
    return chosen.at[i].set(drawn[best]), reached[:, best]

  chosen = jnp.zeros(codebook_size, jnp.int32).at[0].set(first[0])
  state = chosen, distances(first)[:, 0]
  chosen, _ = jax.lax.fori_loop(1, codebook_size, choose, state)
  return points[chosen, :width]


@functools.partial(jax.jit, static_argnums=2)
def start(
    points: jax.Array, seeds: jax.Array, modalities: Modalities
) -> Clusters:
  """Runs the first iterations, from groups of seeds by direction.

  Where groups by distance lose much less after the first of them, in few
  dimensions or far from 0, that one counts.

  Args:
    points: [num_points, width + number of modalities].
    seeds: [codebook_size, width].
    modalities: (name, width) of each modality.

  Returns:
    The state after these iterations.
  """
  squares = masked_points.squared_norms(points, modalities)
  scores = masked_points.scores(points, seeds, modalities)
  cosines = masked_points.cosines(points, seeds, modalities)

  def first(by, iterations):
    codes, _ = masked_points.highest(by)
    reached = jnp.take_along_axis(scores, codes[:, None], axis=1)[:, 0]
    seeded = Clusters(
        codebook=seeds,
        codes=codes,
        errors=jnp.maximum(squares - 2 * reached, 0.0),
        iterations=jnp.zeros((), jnp.int32),
        changed=jnp.ones((), bool),
    )
    return iterate(points, seeded, iterations, modalities)

  by_direction = first(cosines, START_ITERATIONS)
  by_distance = first(scores, 1)
  return _better(by_distance, by_direction, _MUCH_LESS)


def _better(new: Clusters, old: Clusters, share: float = 1.0) -> Clusters:
  """Takes the new state if its error is less than this share of the old."""
  better = jnp.sum(new.errors) < share * jnp.sum(old.errors)
  return jax.tree.map(lambda a, b: jnp.where(better, a, b), new, old)


@functools.partial(jax.jit, static_argnums=3)
def iterate(
    points: jax.Array,
    clusters: Clusters,
    until: int | jax.Array,
    modalities: Modalities,
) -> Clusters:
  """Runs Lloyd's iterations until no code changes.

  Args:
    points: [num_points, width + number of modalities].
    clusters: the state; of this many iterations, or fewer.
    until: the number of iterations to stop at.
    modalities: (name, width) of each modality.

  Returns:
    The state; each point has the code of the nearest codeword.
  """
  squares = masked_points.squared_norms(points, modalities)

  def goes_on(state):
    return (state.iterations < until) & state.changed

  def step(state):
    codebook = _centroids(points, state, modalities)
    return _assigned(points, squares, state, codebook, modalities)

  return jax.lax.while_loop(goes_on, step, clusters)


def _assigned(
    points: jax.Array,
    squares: jax.Array,
    before: Clusters,
    codebook: jax.Array,
    modalities: Modalities,
) -> Clusters:
  """Gives each point its nearest codeword, the second half of an iteration."""
  scores = masked_points.scores(points, codebook, modalities)
  codes, best = masked_points.highest(scores)
  return Clusters(
      codebook=codebook,
      codes=codes,
      errors=jnp.maximum(squares - 2 * best, 0.0),
      iterations=before.iterations + 1,
      changed=jnp.any(codes != before.codes),
  )


@functools.partial(jax.jit, static_argnums=3)
def improve(
    rng: jax.Array,
    points: jax.Array,
    clusters: Clusters,
    modalities: Modalities,
) -> Clusters:
  """Moves some codes from where they help least to where they would help most.

  Lloyd's iterations find the nearest minimum, which is seldom a good one. So
  the codes whose split lowers the error most are split, some iterations let all
  codes settle, those whose loss raises the error least are dropped, and some
  iterations follow. If the error is not lower then, all is as before.

  Args:
    rng: a PRNG key.
    points: [num_points, width + number of modalities].
    clusters: the state.
    modalities: (name, width) of each modality.

  Returns:
    A state of no higher error, some iterations later.
  """
  size = clusters.codebook.shape[0]
  num_moved = max(1, size // _MOVED_SHARE)
  before = clusters.iterations
  split = _split(rng, points, clusters, num_moved, modalities)
  grown = iterate(points, split, before + _GROWN_ITERATIONS, modalities)
  kept = _most_useful(points, grown, size, modalities)
  moved = iterate(points, kept, before + IMPROVE_ITERATIONS, modalities)
  best = _better(moved, clusters)
  return best._replace(iterations=moved.iterations, changed=jnp.ones((), bool))


def _split(
    rng: jax.Array,
    points: jax.Array,
    clusters: Clusters,
    num_new: int,
    modalities: Modalities,
) -> Clusters:
  """Adds a codeword beside those where one lowers the sum of errors most.

  It lies towards an item of the code, not at it: it would keep that one alone.
  Large sums of errors alone say little: noise in hundreds of dimensions has
  them too, and no codeword lowers them.
  """
  size, width = clusters.codebook.shape
  # Far items are likelier, but not certain, to be the largest of their code.
  draws = jax.random.uniform(rng, clusters.errors.shape)
  draws = draws * jnp.sqrt(clusters.errors)
  largest = jax.ops.segment_max(draws, clusters.codes, size)
  numbers = jnp.arange(points.shape[0])
  is_largest = draws >= largest[clusters.codes]
  chosen = jax.ops.segment_max(
      jnp.where(is_largest, numbers, 0), clusters.codes, size
  )
  # A code without items has no largest one.
  rows = points[jnp.clip(chosen, 0, points.shape[0] - 1)]
  towards = masked_points.subtract(
      rows, clusters.codebook, jnp.arange(size), modalities
  )
  beside = clusters.codebook + _TOWARDS_ITEM * towards[:, :width]
  scores = masked_points.scores(points, beside, modalities)
  squares = masked_points.squared_norms(points, modalities)
  errors = jnp.maximum(squares[:, None] - 2 * scores, 0.0)
  gains = jnp.sum(jnp.maximum(clusters.errors[:, None] - errors, 0.0), axis=0)
  _, added = jax.lax.top_k(gains, num_new)
  codes, best = masked_points.highest(-errors[:, added])
  nearer = -best < clusters.errors
  return clusters._replace(
      codebook=jnp.concatenate([clusters.codebook, beside[added]]),
      codes=jnp.where(nearer, size + codes, clusters.codes),
      errors=jnp.where(nearer, -best, clusters.errors),
      changed=jnp.ones((), bool),
  )


def _most_useful(
    points: jax.Array, clusters: Clusters, size: int, modalities: Modalities
) -> Clusters:
  """Keeps the codewords without which the error would be largest."""
  scores = masked_points.scores(points, clusters.codebook, modalities)
  codes, best = masked_points.highest(scores)
  num_codes = clusters.codebook.shape[0]
  is_nearest = jnp.arange(num_codes)[None, :] == codes[:, None]
  second = jnp.max(jnp.where(is_nearest, -jnp.inf, scores), axis=1)
  # Rows that fill up have equal scores everywhere, and lose nothing.
  uses = jax.ops.segment_sum(best - second, codes, num_codes)
  _, kept = jax.lax.top_k(uses, size)
  kept = jnp.sort(kept)
  codes, best = masked_points.highest(scores[:, kept])
  squares = masked_points.squared_norms(points, modalities)
  return clusters._replace(
      codebook=clusters.codebook[kept],
      codes=codes,
      errors=jnp.maximum(squares - 2 * best, 0.0),
      changed=jnp.ones((), bool),
  )


def _centroids(
    points: jax.Array, state: Clusters, modalities: Modalities
) -> jax.Array:
  """Averages the points of each code; a code without any gets a far point."""
  size, width = state.codebook.shape
  means, empty = masked_points.means(points, state.codes, size, modalities)

  def fill(means):
    # The i-th empty code gets the i-th farthest point. There may be fewer
    # points than codes; then there are fewer points to tell apart, too.
    _, farthest = jax.lax.top_k(state.errors, min(size, points.shape[0]))
    rank = jnp.minimum(jnp.cumsum(empty) - 1, farthest.shape[0] - 1)
    far_points = points[farthest[rank], :width]
    return jnp.where(empty[:, None], far_points, means)

  return jax.lax.cond(jnp.any(empty), fill, lambda means: means, means)
