# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Negatives for the sampled softmax: items, and how probable each draw was."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.history_windows import HistoryWindows
from plum_jax.evaluation.protocols import NO_ITEM


@dataclasses.dataclass(frozen=True)
class NegativeSampling:
  """Which negatives there are; numbers are for each row of a batch.

  All positions of a batch share the negatives of all of its rows. The mixture
  of the two kinds is that of Yang et al. (WWW 2020); numbers, power and
  smoothing are our choice.

  Attributes:
    num_in_batch: drawn evenly from the targets of the batch, so that each comes
      in proportion to its count as a target in the training windows.
    num_sampled: drawn from the whole catalog in proportion to
      `(count + smoothing) ** power`, count being that of the training windows.
    power: 1 for popularity itself, 0 for all items alike.
    smoothing: above 0, so that items without a training interaction are drawn
      too, and learn that they were not chosen.
  """

  num_in_batch: int = 8
  num_sampled: int = 24
  power: float = 0.75
  smoothing: float = 1.0

  def __post_init__(self):
    if min(self.num_in_batch, self.num_sampled) < 0 or not self.num_negatives:
      raise InputError(
          f'{self.num_in_batch} and {self.num_sampled} negatives a row.',
          where='NegativeSampling.num_in_batch, num_sampled',
          expected='numbers of at least 0, and one above it',
          fix='Correct them.',
      )
    if self.power < 0 or self.smoothing <= 0:
      raise InputError(
          f'power={self.power}, smoothing={self.smoothing} leave items out.',
          where='NegativeSampling',
          expected='a power of at least 0 and a smoothing above 0',
          fix='Correct them.',
      )

  @property
  def num_negatives(self) -> int:
    """The number of negatives of a row."""
    return self.num_in_batch + self.num_sampled


class Negatives:
  """Draws negatives, and knows the probability of each draw."""

  def __init__(
      self,
      sampling: NegativeSampling,
      counts: np.ndarray,
      target_counts: np.ndarray,
  ):
    """Counts once; drawing then takes the same time for any catalog, nearly.

    Args:
      sampling: which negatives.
      counts: int64 [num_items], interactions of the training windows.
      target_counts: int64 [num_items], those that are targets: all but the
        first of each user.
    """
    self._sampling = sampling
    weights = (counts + sampling.smoothing) ** sampling.power
    self._cumulative = np.cumsum(weights, dtype=np.float64)
    # Of a draw of either kind, since each row has so many of each.
    share = sampling.num_in_batch / sampling.num_negatives
    self.probs = share * target_counts / max(target_counts.sum(), 1)
    self.probs += (1 - share) * weights / self._cumulative[-1]

  def draw(
      self, rng: np.random.Generator, target_item_ids: np.ndarray
  ) -> dict[str, np.ndarray]:
    """Draws the negatives of a batch.

    Args:
      rng: where the numbers come from.
      target_item_ids: int32 [batch, length], the targets of the whole batch,
        `NO_ITEM` where there is none.

    Returns:
      `negative_item_ids` int32 [batch, num_negatives] and
      `negative_log_probs` float32 of the same shape: the log-probability of
      the item in a draw, the two kinds mixed as they are in the batch.
    """
    num_rows = len(target_item_ids)
    present = target_item_ids[target_item_ids != NO_ITEM]
    in_batch = rng.choice(present, (num_rows, self._sampling.num_in_batch))
    places = rng.random((num_rows, self._sampling.num_sampled))
    sampled = np.searchsorted(
        self._cumulative, places * self._cumulative[-1], side='right'
    )
    # Rounding may lead beyond the last item.
    sampled = np.minimum(sampled, len(self._cumulative) - 1)
    item_ids = np.concatenate([in_batch, sampled], axis=1).astype(np.int32)
    return {
        'negative_item_ids': item_ids,
        'negative_log_probs': np.log(self.probs[item_ids]).astype(np.float32),
    }


class BatchesWithNegatives:
  """Windows of histories with negatives; a `training.protocols.Batches`.

  The negatives of a batch depend on its number and the seed alone.
  """

  def __init__(
      self,
      windows: HistoryWindows,
      negatives: Negatives,
      *,
      seed: int,
      process_index: int = 0,
      process_count: int = 1,
  ):
    """Takes the windows.

    Args:
      windows: of whole batches, also where several processes share them.
      negatives: what draws.
      seed: of the negatives.
      process_index: which part of each batch to return, from 0.
      process_count: number of parts, which divides the batch size.

    Raises:
      InputError: the processes do not share a batch evenly.
    """
    if windows.batch_size % process_count:
      raise InputError(
          f'{process_count} processes do not share a batch evenly.',
          where='batch_size',
          expected=f'a multiple of {process_count}, got {windows.batch_size}',
          fix='Change batch_size.',
      )
    part = windows.batch_size // process_count
    self._rows = slice(process_index * part, (process_index + 1) * part)
    self._windows, self._negatives, self._seed = windows, negatives, seed
    self._number = 0

  def __iter__(self) -> BatchesWithNegatives:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch: that of `HistoryWindows`, and `Negatives.draw`'s.

    All processes draw for the whole batch, and keep their rows.
    """
    batch = next(self._windows)
    rng = np.random.default_rng((self._seed, self._number, 1))
    self._number += 1
    batch |= self._negatives.draw(rng, batch['target_item_ids'])
    return {name: array[self._rows] for name, array in batch.items()}

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return {'windows': self._windows.state(), 'number': self._number}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned."""
    self._windows.restore(state['windows'])
    self._number = int(state['number'])
