# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The flat figures that the stage semantic_ids leaves."""

import json

import numpy as np

from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import summary


def test_report_is_json_when_no_items_share_all_codes():
  codes = np.array([[0, 0], [0, 1], [1, 0]])
  embeddings = inputs.from_array(np.eye(3, dtype=np.float32))
  figures = summary.report(codes, (2, 2), np.array([0.5, 0.2]), embeddings)
  text = json.dumps(figures, allow_nan=False)
  assert json.loads(text)['semantic_ids/cosine_level_2/text'] is None
  assert figures['semantic_ids/uniqueness'] == 1.0
  assert figures['semantic_ids/reconstruction_error'] == 0.2
  assert figures['semantic_ids/reconstruction_error_level_1'] == 0.5
  assert figures['semantic_ids/cosine_level_1/text'] == 0.0
  assert figures['semantic_ids/collision_groups'] == []


def test_report_equals_hand_computed_values():
  codes = np.array([[0, 1], [0, 1], [3, 1], [3, 0], [3, 0], [3, 0]])
  vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [0, 2]])
  embeddings = inputs.from_array(vectors.astype(np.float32))
  figures = summary.report(codes, (4, 2), np.array([0.5, 0.2]), embeddings)
  expected = {
      'num_items': 6,
      'uniqueness': 3 / 6,
      'items_without_collision': 1 / 6,
      'largest_collision_group': 3,
      'distinct_embeddings': 3 / 6,
      'usage_level_1': 0.5,
      'dead_codes_level_1': 2,
      'usage_level_2': 1.0,
      'perplexity_level_2': 2.0,
      'subtrees_level_1': 2,
      'mean_subtree_level_1': 3.0,
      'median_subtree_level_2': 2.0,
      'largest_subtree_level_2': 3,
      'cosine_level_1/text': 1.0,
      'collision_groups': [
          {'codes': [3, 0], 'rows': [3, 4, 5]},
          {'codes': [0, 1], 'rows': [0, 1]},
      ],
  }
  found = {name: figures[f'semantic_ids/{name}'] for name in expected}
  assert found == expected
