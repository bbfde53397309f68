# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.data import tiny_run


@pytest.fixture(scope='session')
def run_directory(tmp_path_factory):
  """A run with 30 users of 3 to 40 interactions."""
  rng = np.random.default_rng(0)
  histories = [rng.integers(0, 6, n).tolist() for n in rng.integers(3, 41, 30)]
  return tiny_run.build_run(
      tmp_path_factory.mktemp('run'), histories, examples_per_shard=10
  )
