# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Co-occurrence against all pairs of pairs; training windows alone."""

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.histories import make_histories
from plum_jax.semantic_ids.quality import neighbours


def _histories(runs):
  users = [f'u{user}' for user, run in enumerate(runs) for _ in run]
  items = [item for run in runs for item in run]
  ids = [f'i{n}' for n in range(max(items) + 1)]
  return make_histories(
      tables.make_items(pa.array(ids), pa.array(ids)),
      tables.make_interactions(
          pa.array(users),
          pa.array([f'i{item}' for item in items]),
          pa.array([t * 86_400 for run in runs for t in range(len(run))]),
          time_kind='absolute',
      ),
  )


def test_neighbour_pairs_are_of_training_windows_and_of_one_user():
  histories = _histories([[0, 1, 2, 3, 4], [5, 5, 6, 7, 8], [3, 2], [9]])
  split = splits.leave_one_out(histories)
  pairs = neighbours.neighbour_pairs(histories, split)
  # Of the first two users all but the last two items; 5, 5 is no pair.
  assert pairs.tolist() == [[0, 1], [1, 2], [5, 6], [3, 2]]


def test_neighbour_pairs_leave_out_what_comes_after_the_training_days():
  histories = _histories([[0, 1, 2, 3], [4, 5]])
  split = splits.by_time(histories, last_train_day='1970-01-02')
  pairs = neighbours.neighbour_pairs(histories, split)
  assert pairs.tolist() == [[0, 1], [4, 5]]


def test_co_occurrence_equals_all_pairs_of_pairs():
  generator = np.random.default_rng(0)
  groups = generator.integers(0, 3, 12)
  pairs = generator.integers(0, 12, (40, 2))
  pairs = pairs[pairs[:, 0] != pairs[:, 1]]
  random = [
      groups[first] == groups[second]
      for first in pairs[:, 0]
      for second in pairs[:, 1]
      if first != second
  ]
  found = neighbours.co_occurrence(groups, pairs)
  share = np.mean([groups[a] == groups[b] for a, b in pairs])
  assert found.share == pytest.approx(share)
  assert found.by_chance == pytest.approx(np.mean(random))
  assert found.lift == pytest.approx(share / np.mean(random))


def test_co_occurrence_of_codes_that_nobody_shares_has_no_lift():
  pairs = np.array([[0, 1], [1, 2]])
  found = neighbours.co_occurrence(np.arange(3), pairs)
  assert found == neighbours.CoOccurrence(0.0, 0.0, None)


def test_co_occurrence_is_unknown_without_pairs():
  none = np.zeros((0, 2), np.int64)
  assert neighbours.co_occurrence(np.arange(3), none) is None
