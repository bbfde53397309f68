# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Distances with missing modalities, seeds, iterations without collapse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.semantic_ids import kmeans
from plum_jax.semantic_ids import masked_kmeans
from plum_jax.semantic_ids import masked_points
from plum_jax.semantic_ids import metrics_log
from plum_jax.semantic_ids import residual_quantizer

_MODALITIES = (('text', 3), ('image', 2))


def _points(num_points=40, seed=0):
  """Points, their parts, and a codebook; every third point has no image."""
  generator = np.random.default_rng(seed)
  parts = {
      name: generator.normal(size=(num_points, width)).astype(np.float32)
      for name, width in _MODALITIES
  }
  present = {
      'text': np.ones(num_points, bool),
      'image': np.arange(num_points) % 3 > 0,
  }
  codebook = generator.normal(size=(6, 5)).astype(np.float32)
  return masked_points.join(parts, present), parts, present, codebook


def _distances(parts, present, codebook):
  """Squared distances over the modalities that are there, one by one."""
  distances = np.zeros((len(present['text']), len(codebook)))
  for i, j in np.ndindex(distances.shape):
    start = 0
    for name, width in _MODALITIES:
      if present[name][i]:
        codeword = codebook[j, start : start + width]
        distances[i, j] += np.square(parts[name][i] - codeword).sum()
      start += width
  return distances


def test_scores_rank_codewords_by_the_modalities_that_are_there():
  points, parts, present, codebook = _points()
  expected = _distances(parts, present, codebook)
  squares = masked_points.squared_norms(points, _MODALITIES)
  scores = masked_points.scores(points, codebook, _MODALITIES)
  np.testing.assert_allclose(squares[:, None] - 2 * scores, expected, atol=1e-5)
  codes = masked_points.nearest(points, codebook, _MODALITIES)
  np.testing.assert_array_equal(codes, expected.argmin(axis=1))
  left = masked_points.subtract(points, codebook, codes, _MODALITIES)
  np.testing.assert_allclose(
      masked_points.squared_norms(left, _MODALITIES),
      expected.min(axis=1),
      rtol=1e-5,
  )


def test_scores_do_not_see_values_of_a_missing_modality():
  points, parts, present, codebook = _points()
  parts['image'] = np.where(present['image'][:, None], parts['image'], 1e6)
  np.testing.assert_array_equal(points, masked_points.join(parts, present))
  without_image = codebook.copy()
  without_image[:, 3:] = 1e3
  missing = ~present['image']
  np.testing.assert_array_equal(
      masked_points.nearest(points[missing], codebook, _MODALITIES),
      masked_points.nearest(points[missing], without_image, _MODALITIES),
  )


def test_cosines_are_those_of_the_modalities_that_are_there():
  points, parts, present, codebook = _points()
  cosines = np.asarray(masked_points.cosines(points, codebook, _MODALITIES))
  for row in (0, 1):
    vector = np.concatenate([parts[n][row] for n, _ in _MODALITIES])
    width = 5 if present['image'][row] else 3
    books = codebook[:, :width]
    expected = books @ vector[:width] / np.linalg.norm(books, axis=1)
    np.testing.assert_allclose(cosines[row], expected, rtol=1e-5)


def test_means_average_each_modality_over_its_members():
  points, parts, present, _ = _points()
  codes = np.arange(40) % 4
  found, empty = masked_points.means(points, codes, 5, _MODALITIES)
  assert empty.tolist() == [False] * 4 + [True]
  for code in range(4):
    start = 0
    for name, width in _MODALITIES:
      members = parts[name][(codes == code) & present[name]]
      np.testing.assert_allclose(
          found[code, start : start + width], members.mean(axis=0), atol=1e-6
      )
      start += width


def _dense(points):
  return jnp.concatenate([points, jnp.ones((len(points), 1))], axis=1)


def _cluster(points, size, iterations, seed=0):
  modalities = (('text', points.shape[1]),)
  points = _dense(points)
  seeds = masked_kmeans.seed(jax.random.key(seed), points, size, modalities)
  clusters = masked_kmeans.start(points, seeds, modalities)
  return masked_kmeans.iterate(points, clusters, iterations, modalities)


def test_seed_takes_a_point_of_each_cluster_that_lies_apart():
  generator = np.random.default_rng(0)
  centers = 10 * generator.normal(size=(12, 4)).astype(np.float32)
  points = np.repeat(centers, 9, axis=0)
  seeds = masked_kmeans.seed(
      jax.random.key(1), _dense(points), 12, (('text', 4),)
  )
  np.testing.assert_array_equal(
      np.unique(seeds, axis=0), np.unique(centers, axis=0)
  )


def test_iterate_moves_centroids_to_means_until_no_code_changes():
  generator = np.random.default_rng(0)
  points = jnp.asarray(generator.normal(size=(200, 3)).astype(np.float32))
  clusters = _cluster(points, 8, 1000)
  assert not clusters.changed
  assert 1 < clusters.iterations < 1000
  codes = residual_quantizer.nearest_codes(points, clusters.codebook)
  np.testing.assert_array_equal(clusters.codes, codes)
  for code in range(8):
    np.testing.assert_allclose(
        clusters.codebook[code],
        points[np.asarray(codes) == code].mean(axis=0),
        atol=1e-5,
    )
  errors = np.square(points - clusters.codebook[codes]).sum(axis=1)
  np.testing.assert_allclose(clusters.errors, errors, atol=1e-5)


def test_iterate_in_parts_equals_iterate_at_once():
  generator = np.random.default_rng(0)
  points = generator.normal(size=(300, 4)).astype(np.float32)
  at_once = _cluster(points, 16, 11)
  parts = _cluster(points, 16, 9)
  modalities = (('text', 4),)
  parts = masked_kmeans.iterate(_dense(points), parts, 11, modalities)
  assert int(at_once.iterations) == 11
  jax.tree.map(np.testing.assert_array_equal, at_once, parts)


def test_iterate_gives_empty_codes_the_farthest_points():
  points = jnp.array([[0.0], [1.0], [10.0], [30.0]])
  clusters = masked_kmeans.Clusters(
      codebook=jnp.array([[0.5], [99.0], [99.0]]),
      codes=jnp.zeros(4, jnp.int32),
      errors=jnp.square(points[:, 0] - 0.5),
      iterations=jnp.zeros((), jnp.int32),
      changed=jnp.ones((), bool),
  )
  modalities = (('text', 1),)
  found = masked_kmeans.iterate(_dense(points), clusters, 1, modalities)
  assert found.codebook[:, 0].tolist() == [10.25, 30.0, 10.0]
  found = masked_kmeans.iterate(_dense(points), found, 9, modalities)
  assert sorted(found.codebook[:, 0].tolist()) == [0.5, 10.0, 30.0]


def test_iterate_stays_finite_with_fewer_distinct_points_than_codes():
  points = jnp.repeat(jnp.array([[1.0], [2.0]]), 3, axis=0)
  clusters = _cluster(points, 8, 5)
  assert set(clusters.codebook[:, 0].tolist()) <= {0.0, 1.0, 2.0}
  assert float(clusters.errors.max()) < 1e-6


def test_improve_moves_codes_to_where_the_error_is():
  """Two codes share a tight cluster, one has two that lie apart."""
  generator = np.random.default_rng(0)
  centers = np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 9.0]])
  points = np.repeat(centers, 30, axis=0) + generator.normal(size=(90, 2))
  points = jnp.asarray(points.astype(np.float32))
  modalities = (('text', 2),)
  codebook = jnp.array([[-0.5, 0.0], [0.5, 0.0], [20.0, 4.5]])
  clusters = masked_kmeans.Clusters(
      codebook=codebook,
      codes=residual_quantizer.nearest_codes(points, codebook),
      errors=jnp.zeros(90),
      iterations=jnp.zeros((), jnp.int32),
      changed=jnp.ones((), bool),
  )
  stuck = masked_kmeans.iterate(_dense(points), clusters, 50, modalities)
  found = masked_kmeans.improve(
      jax.random.key(0), _dense(points), stuck, modalities
  )
  assert float(found.errors.mean()) < 0.3 * float(stuck.errors.mean())
  nearest = np.linalg.norm(
      centers[:, None] - np.asarray(found.codebook)[None], axis=2
  )
  assert nearest.min(axis=1).max() < 0.6


def test_improve_splits_what_a_codeword_helps_rather_than_noise():
  """Noise has by far the larger errors; pairs of groups share a code each."""
  generator = np.random.default_rng(0)
  width, noisy = 200, 560
  points = generator.normal(size=(noisy + 80, width))
  groups = 0.01 * points[noisy:]
  groups[:, 0] += np.repeat([100, 100, 200, 200], 20)
  groups[:, 1] += np.repeat([-4, 4, -4, 4], 20)
  points[noisy:] = groups
  points = jnp.asarray(points.astype(np.float32))
  # 14 codes of 40 noisy points, two of a pair of groups.
  codes = jnp.arange(noisy + 80) // 40
  codebook = jax.ops.segment_sum(points, codes, 16) / 40
  clusters = masked_kmeans.Clusters(
      codebook=codebook,
      codes=codes,
      errors=jnp.sum(jnp.square(points - codebook[codes]), axis=1),
      iterations=jnp.zeros((), jnp.int32),
      changed=jnp.ones((), bool),
  )
  found = masked_kmeans.improve(
      jax.random.key(0), _dense(points), clusters, (('text', width),)
  )
  assert float(clusters.errors[noisy:].mean()) > 15
  assert float(found.errors[noisy:].mean()) < 0.1


def test_improve_leaves_what_it_cannot_better():
  points = jnp.array([[0.0], [1.0], [10.0], [11.0], [20.0], [21.0]])
  clusters = _cluster(points, 3, 9)
  assert sorted(clusters.codebook[:, 0].tolist()) == [0.5, 10.5, 20.5]
  found = masked_kmeans.improve(
      jax.random.key(0), _dense(points), clusters, (('text', 1),)
  )
  np.testing.assert_array_equal(found.codebook, clusters.codebook)
  np.testing.assert_array_equal(found.codes, clusters.codes)


@pytest.mark.parametrize('seed', range(2))
def test_iterate_keeps_codes_in_use_where_plain_kmeans_collapses(seed):
  generator = np.random.default_rng(seed)
  # As a level of codes leaves it: all directions alike, lengths not.
  lengths = generator.gamma(16, 1 / 16, size=(600, 1))
  points = jnp.asarray(
      (lengths * generator.normal(size=(600, 96))).astype(np.float32)
  )
  clusters = _cluster(points, 64, 50, seed)
  plain = kmeans.kmeans(jax.random.key(seed), points, 64, 50)
  plain_codes = residual_quantizer.nearest_codes(points, plain)
  plain_error = np.square(points - plain[plain_codes]).sum(axis=1).mean()
  assert _perplexity(clusters.codes) > 50 > 20 > _perplexity(plain_codes)
  assert clusters.errors.mean() < plain_error


def _perplexity(codes):
  return metrics_log.perplexity(np.bincount(codes, minlength=64))
