# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Interactions in any order, for models that know no histories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError


class InteractionBatches:
  """An endless iterator of batches of rows; its position can be saved.

  In each epoch every row comes exactly once. An epoch's order depends on (seed,
  epoch number) alone. Implements `plum_jax.training.protocols.Batches`.
  """

  def __init__(
      self, columns: Mapping[str, np.ndarray], *, batch_size: int, seed: int
  ):
    """Takes the rows.

    Args:
      columns: arrays [n] by name, such as `user` and `item_ids`.
      batch_size: rows of a batch.
      seed: of the order.

    Raises:
      InputError: there is no row.
    """
    self._columns = columns
    self.num_rows = len(next(iter(columns.values())))
    if not self.num_rows:
      raise InputError(
          'There is no interaction to learn from.',
          where='the training windows of the split',
          expected=f'an interaction with {" and ".join(columns)}',
          fix='Split later, or bring more interactions.',
      )
    self._batch_size, self._seed = batch_size, seed
    self._go_to(epoch=0, position=0)

  def _go_to(self, epoch: int, position: int) -> None:
    rng = np.random.default_rng((self._seed, epoch))
    self._order = rng.permutation(self.num_rows)
    self._epoch, self._position = epoch, position

  def __iter__(self) -> InteractionBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch: each column's rows, [batch_size]."""
    parts, missing = [], self._batch_size
    while missing:
      if self._position == self.num_rows:
        self._go_to(self._epoch + 1, 0)
      parts.append(self._order[self._position : self._position + missing])
      self._position += len(parts[-1])
      missing -= len(parts[-1])
    rows = np.concatenate(parts)
    return {name: column[rows] for name, column in self._columns.items()}

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return {'epoch': self._epoch, 'position': self._position}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned."""
    self._go_to(int(state['epoch']), int(state['position']))


class BprBatches:
  """Interactions, each with an item that its user did not choose in training.

  Negatives are drawn uniformly, as in BPR (arXiv 1205.2618, section 4.1.1). The
  draws of a batch depend on the seed and its number alone. Implements
  `plum_jax.training.protocols.Batches`.
  """

  # After so many draws what is left is a user of nearly all items.
  _NUM_DRAWS = 8

  def __init__(
      self,
      user: np.ndarray,
      item_ids: np.ndarray,
      *,
      num_items: int,
      batch_size: int,
      seed: int,
  ):
    """Takes the training interactions.

    Args:
      user: int [n].
      item_ids: int [n].
      num_items: of the catalog.
      batch_size: interactions of a batch.
      seed: of order and negatives.

    Raises:
      InputError: there is no interaction.
    """
    self._num_items, self._seed, self._number = num_items, seed, 0
    self._pairs = np.unique(user.astype(np.int64) * num_items + item_ids)
    self._batches = InteractionBatches(
        {
            'user': user.astype(np.int32),
            'positive_item_ids': item_ids.astype(np.int32),
        },
        batch_size=batch_size,
        seed=seed,
    )

  @property
  def num_rows(self) -> int:
    """The number of interactions."""
    return self._batches.num_rows

  def __iter__(self) -> BprBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch.

    Returns:
      `user`, `positive_item_ids` and `negative_item_ids`, int32 [batch]; and
      `loss_weights`, float32 [batch], 0 where no negative was found.
    """
    batch = next(self._batches)
    rng = np.random.default_rng((self._seed, self._number, 1))
    self._number += 1
    users = batch['user'].astype(np.int64) * self._num_items
    draws = rng.integers(self._num_items, size=(len(users), self._NUM_DRAWS))
    pairs = users[:, None] + draws
    places = np.searchsorted(self._pairs, pairs)
    chosen = self._pairs[np.minimum(places, len(self._pairs) - 1)] == pairs
    first = np.argmin(chosen, axis=1)
    rows = np.arange(len(users))
    return batch | {
        'negative_item_ids': draws[rows, first].astype(np.int32),
        'loss_weights': (~chosen[rows, first]).astype(np.float32),
    }

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return {'interactions': self._batches.state(), 'number': self._number}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned."""
    self._batches.restore(state['interactions'])
    self._number = int(state['number'])
