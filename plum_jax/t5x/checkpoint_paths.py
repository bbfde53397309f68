# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint paths as T5X takes them."""

from __future__ import annotations

from collections.abc import Sequence
import logging

from etils import epath

_LOGGER = logging.getLogger('plum_jax')


def to_restore(path: str, model_dir: str) -> str | Sequence[str]:
  """Turns INITIAL_CHECKPOINT_PATH into `RestoreCheckpointConfig.path`.

  T5X prefers a checkpoint in MODEL_DIR to this one, and does not say so; a run
  that is started anew in an old folder then goes on with the old parameters.
  Here a line in the log says it.

  Args:
    path: a checkpoint of T5X, or '' for random parameters.
    model_dir: MODEL_DIR.

  Returns:
    The path; an empty list for ''.
  """
  if not path:
    return []
  if list(epath.Path(model_dir).glob('checkpoint_*')):
    _LOGGER.warning(
        'T5X goes on from the last checkpoint in %s and does not read %s. '
        'Choose another MODEL_DIR to start from the latter.',
        model_dir,
        path,
    )
  return path
