# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Running a model over all users, in batches of one shape."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping
import time
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.progress import Progress


def map_users(
    function: Callable[[dict[str, np.ndarray]], Any],
    features: Mapping[str, np.ndarray],
    *,
    batch_size: int,
    name: str,
) -> tuple[Any, float]:
  """Calls a function with all users, a batch at a time.

  All batches have one shape: the last is filled up with its last user, whose
  copies are dropped. The next batch is handed out before the last is fetched,
  so that the device stays busy.

  Args:
    function: maps features of a batch to arrays [batch, ...], on the device or
      not: an array, or a tree of them.
    features: arrays with leading dimension num_users.
    batch_size: users at a time.
    name: first word of the lines of progress.

  Returns:
    The same tree of NumPy arrays [num_users, ...]; and users a second, of which
    the first batch, which may compile, counts only if there is no other.
  """
  num_users = len(next(iter(features.values())))
  progress = Progress(name, num_users, 'users')
  parts: list[Any] = []
  begun, num_timed = time.monotonic(), num_users
  pending: collections.deque[Any] = collections.deque()
  for batch in _batches(features, num_users, batch_size):
    pending.append(function(batch))
    if len(pending) > 1:
      parts.append(_fetch(pending.popleft()))
      progress.update(len(parts) * batch_size)
      if len(parts) == 1:
        begun, num_timed = time.monotonic(), num_users - batch_size
  parts.append(_fetch(pending.popleft()))
  seconds = time.monotonic() - begun
  progress.update(num_users)
  joined = jax.tree.map(lambda *x: np.concatenate(x)[:num_users], *parts)
  return joined, num_timed / max(seconds, 1e-9)


def _batches(
    features: Mapping[str, np.ndarray], num_users: int, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
  for start in range(0, num_users, batch_size):
    rows = np.minimum(np.arange(start, start + batch_size), num_users - 1)
    yield {key: value[rows] for key, value in features.items()}


def _fetch(outputs: Any) -> Any:
  """Waits for a batch and copies it from the device."""
  return jax.tree.map(np.asarray, outputs)
