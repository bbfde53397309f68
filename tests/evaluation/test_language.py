# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from plum_jax.evaluation import language


@pytest.mark.parametrize('batch_size', [1, 2, 3, 8])
def test_perplexity_of_groups_is_that_of_hand_whatever_the_batch(batch_size):
  tokens = np.array([[1, 2, 3, 0], [1, 1, 0, 0], [3, 2, 1, 1]])
  first = np.array([1, 0, 3])
  groups = np.array([0, 0, 1, 2])

  def score(rows):
    assert rows.shape == (batch_size, 4)
    return rows * 0.5

  found = language.perplexities(score, tokens, first, groups, batch_size)
  # Counted: 2 3 | 1 1 | 1.
  assert found == {
      0: (pytest.approx(math.exp(0.5)), 3),
      1: (pytest.approx(math.exp(1.0)), 1),
      2: (pytest.approx(math.exp(1.5)), 1),
  }
