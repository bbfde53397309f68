# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Programs that runs of a study share, compiled once."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os

import jax
from jax.experimental.compilation_cache import compilation_cache

_SETTINGS = (
    'jax_compilation_cache_dir',
    'jax_persistent_cache_min_compile_time_secs',
    'jax_persistent_cache_min_entry_size_bytes',
)


@contextlib.contextmanager
def kept_in(directory: str | os.PathLike[str]) -> Iterator[None]:
  """Keeps what is compiled within the block in a folder, and finds it there.

  The step of a ranker has no dropout and so holds no seed: runs that differ in
  the seed, and features whose arrays have the same shapes, share their
  programs. A small ranker compiles longer than it trains.

  Args:
    directory: where to keep programs.

  Yields:
    Nothing.
  """
  before = {name: getattr(jax.config, name) for name in _SETTINGS}
  for name, value in zip(_SETTINGS, (str(directory), 0.0, 0), strict=True):
    jax.config.update(name, value)
  # JAX opens its cache once; it must look at the settings again.
  compilation_cache.reset_cache()
  try:
    yield
  finally:
    for name, value in before.items():
      jax.config.update(name, value)
    compilation_cache.reset_cache()
