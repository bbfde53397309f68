# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches of impressions with the features of their items."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import Impressions
from plum_jax.ranking.item_features import ItemFeatures
from plum_jax.ranking.item_features import NO_PIECE

# Hour of the day and day of the week, in UTC.
CONTEXT_SIZES = (24, 7)
ORDERS = ('time', 'shuffled')


@dataclasses.dataclass(frozen=True)
class Scaling:
  """How graded labels are standardized.

  Attributes:
    mean: per label; 0 for a binary one.
    scale: standard deviation per label; 1 for a binary one.
  """

  mean: tuple[float, ...]
  scale: tuple[float, ...]

  @classmethod
  def measure(cls, impressions: Impressions, rows: slice) -> Scaling:
    """Measures graded labels of some impressions; those without stay as is."""
    means, scales = [], []
    for column, label in enumerate(impressions.labels):
      values = impressions.values[rows, column].astype(np.float64)
      values = values[~np.isnan(values)]
      graded = label.kind != BINARY and len(values)
      means.append(float(values.mean()) if graded else 0.0)
      deviation = float(values.std()) if graded else 1.0
      scales.append(deviation if deviation > 0 else 1.0)
    return cls(tuple(means), tuple(scales))


class BatchMaker:
  """Makes a batch of any impressions; array operations alone."""

  def __init__(
      self,
      impressions: Impressions,
      features: ItemFeatures,
      scaling: Scaling,
      max_history: int,
  ):
    """Takes what batches are made from.

    Args:
      impressions: all of them, for the watch histories.
      features: of all items.
      scaling: of graded labels.
      max_history: newest items of the watch history.
    """
    self._impressions = impressions
    # With a row for no item at the end, which is row -1.
    pieces = np.pad(features.pieces, ((0, 1), (0, 0)), constant_values=NO_PIECE)
    content = features.content
    self._pieces = np.ascontiguousarray(pieces)
    self._content = (
        None if content is None else np.pad(content, ((0, 1), (0, 0)))
    )
    self._max_history = max_history
    self._mean = np.asarray(scaling.mean, np.float32)
    self._scale = np.asarray(scaling.scale, np.float32)

  def make(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Makes the batch of some impressions; see `RankerNetwork`.

    Args:
      rows: int64 [batch], numbers of impressions.

    Returns:
      `slots`, `slot_pieces` or `slot_content`, `context_ids`, `labels` and
      `label_weights`.
    """
    data = self._impressions
    slots = np.stack([data.current_items[rows], data.items[rows]], axis=1)
    if self._max_history:
      history = data.histories(rows, self._max_history)
      slots = np.concatenate([history, slots], axis=1)
    batch = {'slots': slots}
    # The cache of the whole catalog, looked up for all slots at once; `take`
    # needs a tenth of the time of indexing.
    if self._content is not None:
      batch['slot_content'] = self._content.take(slots, axis=0, mode='wrap')
    else:
      batch['slot_pieces'] = self._pieces.take(slots, axis=0, mode='wrap')
    times = data.times[rows]
    values = data.values[rows]
    missing = np.isnan(values)
    labels = (values - self._mean[None, :]) / self._scale[None, :]
    return batch | {
        'context_ids': np.stack(
            # 1970-01-01 was a Thursday.
            [times // 3_600 % 24, (times // 86_400 + 3) % 7],
            axis=1,
        ).astype(np.int32),
        'labels': np.where(missing, np.float32(0), labels),
        'label_weights': (~missing).astype(np.float32),
    }


class ImpressionBatches:
  """An endless iterator of batches; its position can be saved.

  Each epoch has the same number of whole batches. In order of time, what does
  not fill a batch is left out at the beginning, where it is oldest; shuffled,
  an epoch's order depends on (seed, epoch) alone and what is left out is
  random. Implements `plum_jax.training.protocols.Batches`.
  """

  def __init__(
      self,
      maker: BatchMaker,
      rows: slice,
      *,
      batch_size: int,
      order: str,
      seed: int,
      process_index: int = 0,
      process_count: int = 1,
  ):
    """Takes the impressions to train on.

    Args:
      maker: makes the batches.
      rows: which impressions.
      batch_size: impressions of a batch of all processes together.
      order: `time`, or `shuffled`, anew in each epoch.
      seed: of the order.
      process_index: which part of each batch to return, from 0.
      process_count: number of parts, which divides `batch_size`.

    Raises:
      InputError: there are too few impressions for a batch, there is no such
        order, or the processes do not share a batch evenly.
    """
    count = rows.stop - rows.start
    expected = None
    if order not in ORDERS:
      expected = f'order one of {", ".join(ORDERS)}, got {order!r}'
    elif not 1 <= batch_size <= count:
      expected = f'batch_size from 1 to {count}, the impressions to train on'
    elif batch_size % process_count:
      expected = f'batch_size a multiple of {process_count} processes'
    if expected:
      raise InputError(
          f'Batches of {batch_size} cannot be made.',
          where='batches of impressions',
          expected=expected,
          fix='Correct the configuration.',
      )
    part = batch_size // process_count
    self._part = slice(process_index * part, (process_index + 1) * part)
    self._maker, self._rows, self._seed = maker, rows, seed
    self._batch_size, self._shuffled = batch_size, order == 'shuffled'
    self.batches_per_epoch = count // batch_size
    self._position, self._epoch = 0, -1
    self._order = np.zeros(0, np.int64)

  def __iter__(self) -> ImpressionBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch; see `BatchMaker.make`."""
    epoch, number = divmod(self._position, self.batches_per_epoch)
    if epoch != self._epoch:
      self._order, self._epoch = self._order_of(epoch), epoch
    self._position += 1
    start = number * self._batch_size
    rows = self._order[start : start + self._batch_size][self._part]
    return self._maker.make(rows)

  def _order_of(self, epoch: int) -> np.ndarray:
    rows = np.arange(self._rows.start, self._rows.stop)
    if self._shuffled:
      return np.random.default_rng((self._seed, epoch)).permutation(rows)
    return rows[len(rows) % self._batch_size :]

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return {'position': self._position}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned."""
    self._position = int(state['position'])
