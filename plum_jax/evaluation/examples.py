# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is asked of a recommender: targets, each with the history before it."""

from __future__ import annotations

import dataclasses

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.history_windows import newest_items
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Targets


@dataclasses.dataclass(frozen=True)
class Examples:
  """Targets with their histories, one row each.

  Attributes:
    user: int64 [n], user numbers.
    history_item_ids: int32 [n, history_length], newest last, padded on the
      left with `NO_ITEM`.
    target_item_ids: int32 [n].
  """

  user: np.ndarray
  history_item_ids: np.ndarray
  target_item_ids: np.ndarray

  @property
  def features(self) -> dict[str, np.ndarray]:
    """What `evaluate` hands to a recommender that needs nothing else."""
    return {'history_item_ids': self.history_item_ids}


def make_examples(
    histories: Histories, targets: Targets, history_length: int | None = None
) -> Examples:
  """Lays out the targets of a split and what came before them.

  Args:
    histories: of the catalog.
    targets: validation or test targets of a split of these histories.
    history_length: number of newest items to keep; None keeps all, which
      `exclude_history` needs in order to know the whole history.

  Returns:
    The examples, in the order of the targets.

  Raises:
    InputError: there is no target.
  """
  if not len(targets):
    raise InputError(
        'The split has no targets.',
        where='make_examples',
        expected='users with at least three interactions (leave-one-out), or '
        'interactions on the test days (split by time)',
        fix='Choose another split or bring longer histories.',
    )
  return Examples(
      user=targets.user,
      history_item_ids=newest_items(
          histories.item_ids,
          histories.offsets[targets.user],
          targets.position,
          history_length,
      ),
      target_item_ids=histories.item_ids[targets.position].astype(np.int32),
  )
