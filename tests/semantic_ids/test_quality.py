# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import quality


def _brute_force_cosines(embeddings, codes):
  unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
  means = []
  for level in range(codes.shape[1] + 1):
    pairs = [
        unit[i] @ unit[j]
        for i in range(len(codes))
        for j in range(i)
        if np.array_equal(codes[i, :level], codes[j, :level])
    ]
    means.append(np.mean(pairs) if pairs else np.nan)
  return means


@pytest.mark.parametrize('chunk', [4, 1000])
def test_prefix_cosines_equals_all_pairs_one_by_one(monkeypatch, chunk):
  monkeypatch.setattr(quality, '_CHUNK_ITEMS', chunk)
  generator = np.random.default_rng(0)
  embeddings = generator.normal(size=(30, 5)).astype(np.float32)
  codes = generator.integers(0, 3, (30, 3))
  np.testing.assert_allclose(
      quality.prefix_cosines(embeddings, codes),
      _brute_force_cosines(embeddings, codes),
      atol=1e-6,
  )
  present = generator.random(30) < 0.7
  np.testing.assert_allclose(
      quality.prefix_cosines(embeddings, codes, present),
      _brute_force_cosines(embeddings[present], codes[present]),
      atol=1e-6,
  )


def test_level_metrics_equal_hand_computed_values():
  codes = np.array([[0, 1], [0, 1], [3, 1], [3, 1]])
  assert quality.level_metrics(codes, (4, 2)) == {
      'semantic_ids/usage_level_1': 0.5,
      'semantic_ids/perplexity_level_1': 2.0,
      'semantic_ids/dead_codes_level_1': 2,
      'semantic_ids/usage_level_2': 0.5,
      'semantic_ids/perplexity_level_2': 1.0,
      'semantic_ids/dead_codes_level_2': 1,
  }


def test_collision_groups_come_largest_first():
  codes = np.array([[1, 1], [0, 0], [2, 2], [1, 1], [0, 0], [1, 1]])
  groups = quality.collision_groups(codes)
  assert [(g.codes, g.rows) for g in groups] == [
      ((1, 1), (0, 3, 5)),
      ((0, 0), (1, 4)),
  ]
  assert len(quality.collision_groups(codes, most=1)) == 1


def test_report_is_json_when_no_items_share_all_codes():
  codes = np.array([[0, 0], [0, 1], [1, 0]])
  embeddings = inputs.from_array(np.eye(3, dtype=np.float32))
  figures = quality.report(codes, (2, 2), np.array([0.5, 0.2]), embeddings)
  text = json.dumps(figures, allow_nan=False)
  assert json.loads(text)['semantic_ids/cosine_level_2/text'] is None
  assert figures['semantic_ids/uniqueness'] == 1.0
  assert figures['semantic_ids/reconstruction_error'] == 0.2
  assert figures['semantic_ids/reconstruction_error_level_1'] == 0.5
  assert figures['semantic_ids/cosine_level_1/text'] == 0.0
  assert figures['semantic_ids/collision_groups'] == []
