# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A SeqIO source's records, each several times with other targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import seqio
import tensorflow as tf


class ExpandedSource(seqio.DataSource):
  """Each record of a split once for each value of some of its features.

  What a task's preprocessors make of a target, they then make of candidates in
  its place.
  """

  def __init__(self, source: Any, split: str, values: Mapping[str, np.ndarray]):
    """Takes the values.

    Args:
      source: of the records.
      split: the only one that there is to be.
      values: by feature, [num_records, num_values, ...].
    """
    self._source = source
    self._values = dict(values)
    super().__init__(splits=(split,))

  @property
  def supports_arbitrary_sharding(self) -> bool:
    """Whether SeqIO may ask for shards of any number: no."""
    return False

  def num_input_examples(self, split: str) -> int:
    """Returns the number of records that come."""
    del split
    num_records, num_values = next(iter(self._values.values())).shape[:2]
    return num_records * num_values

  def list_shards(self, split: str) -> list[str]:
    """Returns the one shard that there is."""
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
    """Returns the records, in order and once: the options are not used."""
    del shuffle, seed, shard_info, sequence_length, use_cached, num_epochs
    records = self._source.get_dataset(split=split, shuffle=False)
    values = tf.data.Dataset.from_tensor_slices(self._values)

    def expand(record, of_record):
      return tf.data.Dataset.from_tensor_slices(of_record).map(
          lambda value: record | value
      )

    return tf.data.Dataset.zip(records, values).flat_map(expand)
