# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.data import tiny_run


@pytest.fixture(scope='session')
def run_directory(tmp_path_factory):
  """A run with 24 users of 3 to 5 interactions."""
  rng = np.random.default_rng(0)
  histories = [
      rng.permutation(6)[: rng.integers(3, 6)].tolist() for _ in range(24)
  ]
  return tiny_run.build_run(
      tmp_path_factory.mktemp('run'), histories, examples_per_shard=10
  )
