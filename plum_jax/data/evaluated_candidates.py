# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The candidates that targets are ranked among, for prompts that name them."""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.catalog import ranking_candidates
from plum_jax.data import training_windows

# A user's number and the length of the history tell a target.
_BITS = 32


class EvaluatedCandidates:
  """A table of the candidates of all validation and test targets."""

  def __init__(
      self,
      users: np.ndarray,
      lengths: np.ndarray,
      item_ids: np.ndarray,
      options: Mapping[str, Any] | None = None,
  ):
    """Sorts targets, so that the graph finds them.

    Args:
      users: int [n], user numbers.
      lengths: int [n], interactions before the target.
      item_ids: int32 [n, candidates].
      options: how they were drawn, for the description of a task.
    """
    keys = (users.astype(np.int64) << _BITS) + lengths
    order = np.argsort(keys)
    self.num_candidates = item_ids.shape[1]
    self._options = dict(options or {})
    with tf.init_scope():
      self._keys = tf.constant(keys[order])
      self._item_ids = tf.constant(item_ids[order], tf.int32)

  @classmethod
  def load(
      cls,
      run_directory: str | os.PathLike[str],
      *,
      num_negatives: int = 99,
      sampling: str = ranking_candidates.UNIFORM,
      seed: int = 0,
  ) -> EvaluatedCandidates:
    """Draws the candidates, as any evaluation with these options does.

    Args:
      run_directory: with the artifacts `catalog` and `tasks`.
      num_negatives: see `catalog.ranking_candidates`.
      sampling: see there.
      seed: see there.

    Returns:
      Those of the splits validation and test.

    Raises:
      InputError: an artifact is missing, or an option cannot be used.
    """
    histories, split = training_windows.split_histories(run_directory)
    users, lengths, item_ids = [], [], []
    for targets in (split.validation, split.test):
      drawn = ranking_candidates.draw_ranking_candidates(
          histories,
          split,
          targets,
          num_negatives=num_negatives,
          sampling=sampling,
          seed=seed,
      )
      users.append(targets.user)
      lengths.append(targets.position - histories.offsets[targets.user])
      item_ids.append(drawn.item_ids)
    return cls(
        np.concatenate(users),
        np.concatenate(lengths),
        np.concatenate(item_ids),
        {'num_negatives': num_negatives, 'sampling': sampling, 'seed': seed},
    )

  def describe(self) -> dict[str, Any]:
    """Returns JSON values for the description of a task."""
    return dict(self._options)

  def of(self, record: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns the candidates of a record's target, int32 [candidates]."""
    key = tf.bitwise.left_shift(
        tf.cast(record['user'], tf.int64), tf.constant(_BITS, tf.int64)
    ) + tf.size(record['item_ids'], tf.int64)
    at = tf.searchsorted(self._keys, key[None], side='left')[0]
    return tf.gather(self._item_ids, at)
