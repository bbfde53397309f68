# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import pathlib

from hypothesis import given
from hypothesis import strategies
import numpy as np
import pytest

from plum_jax.ranking import metrics

_GOLDEN = pathlib.Path(__file__).parent / 'testdata' / 'sklearn_golden.json'


@given(
    strategies.lists(
        strategies.tuples(strategies.booleans(), strategies.integers(0, 4)),
        min_size=1,
        max_size=30,
    )
)
def test_auc_equals_the_share_of_ordered_pairs(rows):
  labels = np.array([label for label, _ in rows], np.float32)
  scores = np.array([score for _, score in rows], np.float32)
  pairs = list(
      itertools.product(scores[labels == 1].tolist(), scores[labels == 0])
  )
  found = metrics.auc(labels, scores)
  if not pairs:
    assert found is None
    return
  wins = sum((a > b) + 0.5 * (a == b) for a, b in pairs)
  assert found == pytest.approx(wins / len(pairs), abs=1e-12)


@pytest.mark.parametrize(
    'case',
    json.loads(_GOLDEN.read_text(encoding='utf-8')),
    ids=lambda c: c['n'],
)
def test_metrics_agree_with_scikit_learn(case):
  labels, logits = np.array(case['labels']), np.array(case['logits'])
  assert metrics.auc(labels, logits) == pytest.approx(case['auc'], abs=1e-6)
  assert metrics.log_loss(labels, logits) == pytest.approx(
      case['log_loss'], abs=1e-6
  )
  assert metrics.rmse(labels, logits) == pytest.approx(case['rmse'], abs=1e-6)


def test_figures_of_one_class_or_of_nothing_are_not_defined():
  one, none = np.ones(3), np.zeros(0)
  assert metrics.auc(one, np.arange(3)) is None
  assert metrics.auc(1 - one, np.arange(3)) is None
  assert metrics.auc(none, none) is None
  assert metrics.log_loss(none, none) is None
  assert metrics.rmse(none, none) is None
  assert metrics.calibration(1 - one, one) is None


def test_log_loss_of_extreme_logits_is_finite():
  found = metrics.log_loss(np.array([1, 0]), np.array([-1_000.0, -1_000.0]))
  assert found == 500.0


def test_calibration_divides_predictions_by_ones():
  logits = np.log(np.array([0.2, 0.6]) / (1 - np.array([0.2, 0.6])))
  found = metrics.calibration(np.array([1, 0]), logits)
  assert found == pytest.approx(0.8)


def test_popularity_groups_are_equal_and_ordered():
  rng = np.random.default_rng(0)
  counts = rng.integers(0, 50, 137)
  groups = metrics.popularity_groups(counts)
  assert np.array_equal(groups == -1, counts == 0)
  sizes = np.bincount(groups[groups >= 0])
  assert len(sizes) == 10
  assert sizes.max() - sizes.min() <= 1
  for lower in range(9):
    assert counts[groups == lower].max() <= counts[groups == lower + 1].min()
