# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whole histories for a decoder-only model: every token is to be predicted."""

from __future__ import annotations

import functools
import os

from plum_jax.data import preprocessors
from plum_jax.data import registration


def register(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    max_items: int = 50,
) -> str:
  """Registers `plum_<dataset>_histories`, in the place of an older one.

  `targets` are windows of the SID tokens of consecutive items. In training,
  histories are cut anew every epoch, each item being in one window; for
  validation and test the window ends with the target.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifacts `tasks` and `vocabulary`.
    max_items: the most items of a window.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together.
  """
  return registration.add_history_task(
      'histories',
      dataset,
      run_directory,
      functools.partial(preprocessors.history_windows, max_items=max_items),
      {'targets': False},
  )
