# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches of impressions with the features of their items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import dataclasses
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import Impressions
from plum_jax.catalog.impressions import NO_ITEM
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
    self._written = np.zeros(features.num_items + 1, np.int32)
    self._mean = np.asarray(scaling.mean, np.float32)
    self._scale = np.asarray(scaling.scale, np.float32)

  def items_per_row(self, batches: Iterable[np.ndarray]) -> int:
    """Finds how many items a batch must hold for each of its rows.

    A power-law catalog shows few items again and again: on a generated world
    of 24,000 items, 22 slots in each of 1,024 rows name some 5,000.

    Args:
      batches: each int64 [batch], numbers of impressions.

    Returns:
      The least number of items by row that all of them have room in.
    """
    most = 1
    for rows in batches:
      count = len(self._distinct(self._slots(rows))[0])
      most = max(most, -(-count // len(rows)))
    return most

  def make(
      self, rows: np.ndarray, items_per_row: int | None = None, part: int = 0
  ) -> dict[str, np.ndarray]:
    """Makes the batch of some impressions; see `RankerNetwork`.

    Args:
      rows: int64 [batch], numbers of impressions.
      items_per_row: items that the batch holds for each of its rows, at least
        what the method of that name finds; as few as will do if None.
      part: which part of a larger batch this is, from 0, if all parts are of
        the same size.

    Returns:
      `slots`, `item_pieces` or `item_content`, `context_ids`, `labels` and
      `label_weights`.

    Raises:
      ValueError: there is no room for all items.
    """
    data = self._impressions
    distinct, slots = self._distinct(self._slots(rows))
    if items_per_row is None:
      items_per_row = max(-(-len(distinct) // len(rows)), 1)
    room = len(rows) * items_per_row
    if len(distinct) > room:
      raise ValueError(f'{len(distinct)} items in a batch with room for {room}')
    # What is left over is row -1 of the features, no item.
    items = np.full(room, NO_ITEM, np.int32)
    items[: len(distinct)] = distinct
    batch = {'slots': np.where(slots < 0, NO_ITEM, slots + part * room)}
    # The cache of the whole catalog, looked up for all slots at once; `take`
    # needs a tenth of the time of indexing.
    items = items.reshape(len(rows), items_per_row)
    if self._content is not None:
      batch['item_content'] = self._content.take(items, axis=0, mode='wrap')
    else:
      batch['item_pieces'] = self._pieces.take(items, axis=0, mode='wrap')
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

  def _slots(self, rows: np.ndarray) -> np.ndarray:
    """Gives history, current item and candidate, int32 [batch, n]."""
    data = self._impressions
    slots = np.stack([data.current_items[rows], data.items[rows]], axis=1)
    if self._max_history:
      history = data.histories(rows, self._max_history)
      slots = np.concatenate([history, slots], axis=1)
    return slots

  def _distinct(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the items of an array, whose time does not grow with the catalog.

    Args:
      items: int32 of any shape, negative for none.

    Returns:
      The distinct items, and int32 in the shape of `items`: which of them each
      is, `NO_ITEM` for none.
    """
    flat = items.reshape(-1)
    order = np.arange(len(flat), dtype=np.int32)
    # The last one to write stands for its item; no item is the last entry.
    self._written[flat] = order
    last = self._written[flat]
    is_last = (last == order) & (flat >= 0)
    numbers = np.cumsum(is_last, dtype=np.int32) - 1
    found = np.where(flat < 0, np.int32(NO_ITEM), numbers[last])
    return flat[is_last], found.reshape(items.shape)


class ImpressionBatches:
  """An endless iterator of batches of one shape; its position can be saved.

  Each epoch has the same number of whole batches. In order of time, what does
  not fill a batch is left out at the beginning, where it is oldest; shuffled,
  an epoch's order depends on (seed, epoch) alone and what is left out is
  random. Implements `plum_jax.training.protocols.Batches`; but rows name items
  that other rows hold, so that a batch is not to be cut into microbatches.
  """

  def __init__(
      self,
      maker: BatchMaker,
      rows: slice,
      *,
      batch_size: int,
      order: str,
      seed: int,
      num_epochs: int = 1,
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
      num_epochs: after so many the order of the first comes again.
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
    self._part_size, self._process_index = part, process_index
    self._maker, self._rows, self._seed = maker, rows, seed
    self._batch_size, self._shuffled = batch_size, order == 'shuffled'
    self.batches_per_epoch = count // batch_size
    self._position, self._epoch = 0, -1
    self._order = np.zeros(0, np.int64)
    self._num_epochs = num_epochs
    # Of all parts, so that all processes find the same.
    self._items_per_row = maker.items_per_row(
        rows
        for epoch in range(num_epochs if self._shuffled else 1)
        for rows in self._parts(epoch)
    )

  def __iter__(self) -> ImpressionBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch; see `BatchMaker.make`."""
    epoch, number = divmod(self._position, self.batches_per_epoch)
    if epoch != self._epoch:
      self._order, self._epoch = self._order_of(epoch), epoch
    self._position += 1
    start = number * self._batch_size
    start += self._process_index * self._part_size
    rows = self._order[start : start + self._part_size]
    return self._maker.make(rows, self._items_per_row, self._process_index)

  def _parts(self, epoch: int) -> np.ndarray:
    """Gives the parts of all batches of an epoch, int64 [n, part size]."""
    used = self.batches_per_epoch * self._batch_size
    return self._order_of(epoch)[:used].reshape(-1, self._part_size)

  def _order_of(self, epoch: int) -> np.ndarray:
    rows = np.arange(self._rows.start, self._rows.stop)
    if self._shuffled:
      key = (self._seed, epoch % self._num_epochs)
      return np.random.default_rng(key).permutation(rows)
    return rows[len(rows) % self._batch_size :]

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return {'position': self._position}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned."""
    self._position = int(state['position'])
