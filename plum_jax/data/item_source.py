# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A SeqIO source of item numbers, some of which are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import zlib

import numpy as np
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError


class ItemSource(seqio.DataSource):
  """Item numbers: `item` int32; the splits are `train` and `validation`.

  Which items are held out for `validation` follows from their ids alone, so it
  stays as it is when a catalog grows.
  """

  def __init__(self, item_ids: Sequence[str], held_out_share: float):
    """Takes the items apart.

    Args:
      item_ids: of the catalog, in its order.
      held_out_share: about which share of the items is left out of `train`.

    Raises:
      InputError: the share is not between 0 and 1, or leaves nothing to train.
    """
    self._held_out_share = held_out_share
    held_out = is_held_out(item_ids, held_out_share)
    self._items = {
        'train': np.flatnonzero(~held_out).astype(np.int32),
        'validation': np.flatnonzero(held_out).astype(np.int32),
    }
    if not len(self._items['train']):
      raise InputError(
          f'All of {len(item_ids)} items are held out.',
          where=f'held_out_share {held_out_share}',
          expected='a share that leaves items to train on',
          fix='Lower it.',
      )
    super().__init__([name for name, rows in self._items.items() if len(rows)])

  def describe(self) -> dict[str, float]:
    """Returns what the splits depend on, for a task's description."""
    return {'held_out_share': self._held_out_share}

  @property
  def supports_arbitrary_sharding(self) -> bool:
    """Whether SeqIO may ask for any number of shards: yes."""
    return True

  def num_input_examples(self, split: str) -> int:
    """Returns the number of items of a split."""
    return len(self._items[split])

  def list_shards(self, split: str) -> Sequence[str]:
    """Returns one name: the items are in memory."""
    return [split]

  def get_dataset(
      self,
      split: str = 'train',
      shuffle: bool = True,
      seed: int | None = None,
      shard_info: seqio.ShardInfo | None = None,
      *,
      sequence_length: Mapping[str, int] | None = None,
      use_cached: bool = False,
      num_epochs: int | None = 1,
  ) -> tf.data.Dataset:
    """Returns the items of a split, or of one shard of it.

    Args:
      split: the split's name.
      shuffle: whether to draw their order.
      seed: of that order.
      shard_info: which shard, of any number.
      sequence_length: not used.
      use_cached: not used.
      num_epochs: not used.

    Returns:
      One pass over the items.
    """
    del sequence_length, use_cached, num_epochs
    items = self._items[split]
    if shuffle:
      items = np.random.default_rng(seed).permutation(items)
    if shard_info is not None:
      items = items[shard_info.index :: shard_info.num_shards]
    return tf.data.Dataset.from_tensor_slices({'item': items})


def is_held_out(item_ids: Sequence[str], share: float) -> np.ndarray:
  """Says which items are held out, bool [num_items].

  Args:
    item_ids: strings.
    share: about which share of them.

  Raises:
    InputError: it is no share.

  >>> ids = [f'item {i}' for i in range(1000)]
  >>> few, more = is_held_out(ids, 0.1), is_held_out(ids, 0.2)
  >>> int(few.sum()), bool(more[few].all())
  (92, True)
  """
  if not 0 <= share <= 1:
    raise InputError(
        f'{share} is no share of the items.',
        where='held_out_share',
        expected='a number from 0 to 1',
        fix='Correct it.',
    )
  hashes = np.fromiter(
      (zlib.crc32(f'held out {i}'.encode()) for i in item_ids),
      np.uint32,
      len(item_ids),
  )
  return hashes < share * 2**32
