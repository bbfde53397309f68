# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The validation targets that baselines choose their parameters by."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.history_windows import newest_items
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Targets
from plum_jax.evaluation.protocols import Recommender

RECALL = 'validation/retrieval/recall@10'


def draw_targets(
    histories: Histories, targets: Targets, most: int, seed: int
) -> Targets:
  """Draws some validation targets.

  Args:
    histories: of the catalog.
    targets: those to draw from.
    most: how many at most.
    seed: of the draw.

  Returns:
    The targets, in the order of the draw.

  Raises:
    InputError: there is none.
  """
  if not len(targets):
    raise InputError(
        'There are no validation targets to choose parameters by.',
        where=f'the split of {len(histories.item_ids):,} interactions',
        expected='a split with validation targets',
        fix='Set validation_days in split_options, or use leave_one_out.',
    )
  chosen = np.random.default_rng(seed).choice(
      len(targets), min(len(targets), most), replace=False
  )
  return Targets(targets.user[chosen], targets.position[chosen])


@dataclasses.dataclass(frozen=True)
class ValidationUsers:
  """Users, what they chose next, and what they had chosen before.

  Attributes:
    user: int64 [n].
    history_item_ids: int32 [n, longest history], whole histories, newest last,
      padded on the left with `NO_ITEM`.
    target_item_ids: int32 [n].
    batch_size: users at a time.
  """

  user: np.ndarray
  history_item_ids: np.ndarray
  target_item_ids: np.ndarray
  batch_size: int

  @classmethod
  def make(
      cls, histories: Histories, targets: Targets, batch_size: int
  ) -> ValidationUsers:
    """Lays out validation targets."""
    return cls(
        targets.user,
        newest_items(
            histories.item_ids,
            histories.offsets[targets.user],
            targets.position,
        ),
        histories.item_ids[targets.position],
        batch_size,
    )

  def __len__(self) -> int:
    return len(self.user)

  def recall(self, recommender: Recommender) -> float:
    """Returns Recall@10, items of the history left out."""
    hits = 0
    for rows, new in equal_batches(len(self), self.batch_size):
      best = recommender.recommend(
          {
              'user': self.user[rows].astype(np.int32),
              'history_item_ids': self.history_item_ids[rows],
          },
          10,
          True,
      )
      targets = self.target_item_ids[rows, None]
      hit = np.any(np.asarray(best.item_ids) == targets, axis=1)
      hits += int(np.sum(hit & new))
    return hits / len(self)


def equal_batches(
    num_rows: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Cuts rows into batches of one size; the last row fills up the last.

  Args:
    num_rows: rows in all.
    batch_size: rows at a time.

  Yields:
    Rows, int64 [batch_size]; and which of them are no copies, bool
    [batch_size].

  >>> [(rows.tolist(), new.tolist()) for rows, new in equal_batches(3, 2)]
  [([0, 1], [True, True]), ([2, 2], [True, False])]
  """
  for start in range(0, num_rows, batch_size):
    rows = np.arange(start, start + batch_size)
    yield np.minimum(rows, num_rows - 1), rows < num_rows
