# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import pytest


@pytest.fixture(scope='session', autouse=True)
def _compilation_cache(tmp_path_factory):
  """Keeps what XLA has compiled: the same small step serves many tests."""
  names = (
      'jax_compilation_cache_dir',
      'jax_persistent_cache_min_compile_time_secs',
      'jax_persistent_cache_min_entry_size_bytes',
  )
  before = {name: getattr(jax.config, name) for name in names}
  for name, value in zip(
      names, (str(tmp_path_factory.mktemp('xla')), 0, -1), strict=True
  ):
    jax.config.update(name, value)
  yield
  for name, value in before.items():
    jax.config.update(name, value)
