# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training batches of next-item prediction, cut from users' histories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation.protocols import NO_ITEM


def cut_windows(
    starts: np.ndarray,
    ends: np.ndarray,
    max_length: int,
    phases: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Cuts runs of interactions into windows of at most `max_length` targets.

  A run of n interactions has n - 1 targets: all but the first. They are cut
  into consecutive windows; the first window of a run takes `phase` targets
  fewer, so that other phases put the cuts elsewhere.

  Args:
    starts: int64 [num_users], where each user's run begins.
    ends: int64 [num_users], where it ends, exclusive.
    max_length: most targets of a window.
    phases: int64 [num_users], in [0, max_length).

  Returns:
    Two int64 arrays [num_windows]: position of the first and of the last
    target of each window, in the order of the users.

  >>> cut_windows(np.array([0]), np.array([6]), 3, np.array([1]))
  (array([1, 3]), array([2, 5]))
  """
  num_targets = np.maximum(ends - starts - 1, 0)
  # A phase that would leave the first window empty is taken modulo the run.
  phases = np.where(num_targets > 0, phases % np.maximum(num_targets, 1), 0)
  num_windows = np.where(
      num_targets > 0, -(-(num_targets + phases) // max_length), 0
  )
  user = np.repeat(np.arange(len(starts)), num_windows)
  first_window = np.repeat(np.cumsum(num_windows) - num_windows, num_windows)
  number = np.arange(len(user)) - first_window
  low = starts[user] + 1 - phases[user] + number * max_length
  first = np.maximum(low, starts[user] + 1)
  last = np.minimum(low + max_length, ends[user]) - 1
  return first, last


class HistoryWindows:
  """An endless iterator of batches of histories; its position can be saved.

  In each epoch every target of the training windows is predicted exactly once;
  long histories are cut at places that are drawn anew per epoch, and the
  windows are shuffled. An epoch depends on (seed, epoch number) alone.
  Implements `plum_jax.training.protocols.Batches`.
  """

  def __init__(
      self,
      item_ids: np.ndarray,
      starts: np.ndarray,
      ends: np.ndarray,
      *,
      max_length: int,
      batch_size: int,
      seed: int,
      process_index: int = 0,
      process_count: int = 1,
  ):
    """Takes the training windows.

    Args:
      item_ids: int32 [num_interactions], user after user in time order.
      starts: int64 [num_users], where each user's training window begins.
      ends: int64 [num_users], where it ends, exclusive.
      max_length: most items of an input.
      batch_size: number of windows of a batch of all processes together.
      seed: of the cuts and of the order.
      process_index: which part of each batch to return, from 0.
      process_count: number of parts, which divides `batch_size`.

    Raises:
      InputError: no user has two interactions in the training window, or the
        processes do not share a batch evenly.
    """
    if batch_size % process_count:
      raise InputError(
          f'{process_count} processes do not share a batch evenly.',
          where='batch_size',
          expected=f'a multiple of {process_count}, got {batch_size}',
          fix='Change batch_size.',
      )
    part = batch_size // process_count
    self._rows = slice(process_index * part, (process_index + 1) * part)
    self._item_ids = np.asarray(item_ids, np.int32)
    self._starts = np.asarray(starts, np.int64)
    self._ends = np.asarray(ends, np.int64)
    self._max_length, self._batch_size = max_length, batch_size
    self._seed = seed
    self.num_targets = int(np.maximum(self._ends - self._starts - 1, 0).sum())
    if self.num_targets == 0:
      raise InputError(
          'There is no next item to learn.',
          where='the training windows of the split',
          expected='a user with at least two training interactions',
          fix='Split later, or bring more interactions.',
      )
    self._go_to(epoch=0, position=0)

  def _go_to(self, epoch: int, position: int) -> None:
    rng = np.random.default_rng((self._seed, epoch))
    phases = rng.integers(self._max_length, size=len(self._starts))
    first, last = cut_windows(
        self._starts, self._ends, self._max_length, phases
    )
    order = rng.permutation(len(first))
    self._first, self._last = first[order], last[order]
    self._epoch, self._position = epoch, position

  def _next_windows(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns the next windows, of the next epochs too if one ends."""
    firsts, lasts, missing = [], [], self._batch_size
    while missing:
      if self._position == len(self._first):
        self._go_to(self._epoch + 1, 0)
      part = slice(self._position, self._position + missing)
      firsts.append(self._first[part])
      lasts.append(self._last[part])
      self._position += len(firsts[-1])
      missing -= len(firsts[-1])
    return np.concatenate(firsts), np.concatenate(lasts)

  def __iter__(self) -> HistoryWindows:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch.

    Returns:
      `history_item_ids` and `target_item_ids`, int32 [batch, max_length],
      newest last, padded on the left with -1; and `loss_weights`, float32 of
      the same shape.
    """
    first, last = (rows[self._rows] for rows in self._next_windows())
    distance = np.arange(self._max_length - 1, -1, -1)
    target = last[:, None] - distance[None, :]
    present = target >= first[:, None]
    target = np.where(present, target, 1)
    return {
        'history_item_ids': np.where(
            present, self._item_ids[target - 1], NO_ITEM
        ),
        'target_item_ids': np.where(present, self._item_ids[target], NO_ITEM),
        'loss_weights': present.astype(np.float32),
    }

  @property
  def batch_size(self) -> int:
    """Number of windows of a batch of all processes together."""
    return self._batch_size

  @property
  def num_windows(self) -> int:
    """Number of windows of the current epoch; the cuts change it a little."""
    return len(self._first)

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return {'epoch': self._epoch, 'position': self._position}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned."""
    self._go_to(int(state['epoch']), int(state['position']))


def newest_items(
    item_ids: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    max_length: int | None = None,
) -> np.ndarray:
  """Lays out the newest items of histories, one row each.

  Args:
    item_ids: int32 [num_interactions], user after user in time order.
    starts: int64 [n], where each history begins.
    ends: int64 [n], where it ends, exclusive: the position of the target.
    max_length: number of items; None for those of the longest history.

  Returns:
    int32 [n, max_length], newest last, padded on the left with -1.

  >>> newest_items(np.array([7, 8, 9]), np.array([0, 2]), np.array([2, 3]))
  array([[ 7,  8],
         [-1,  9]], dtype=int32)
  """
  if max_length is None:
    max_length = int(max(np.max(ends - starts, initial=0), 1))
  position = ends[:, None] - np.arange(max_length, 0, -1)[None, :]
  present = position >= starts[:, None]
  found = item_ids[np.where(present, position, 0)]
  return np.where(present, found, NO_ITEM).astype(np.int32)
