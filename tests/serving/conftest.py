# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A bundle, written and read once."""

import pytest

from plum_jax.serving import bundle
from plum_jax.testing import tiny_bundle


@pytest.fixture(scope='session')
def bundle_path(tmp_path_factory):
  """A folder that no test writes to."""
  path = tmp_path_factory.mktemp('bundles') / 'bundle'
  tiny_bundle.write(path)
  return path


@pytest.fixture(scope='session')
def tiny(bundle_path):
  return bundle.load(bundle_path)
