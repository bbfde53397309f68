# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A SeqIO source that reads a folder in TFDS' format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
import pathlib

import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from plum_jax.artifacts.errors import InputError


class TfdsDirectorySource(seqio.DataSource):
  """Reads what `tfds.builder_from_directory` reads.

  `seqio.TfdsDataSource` does too, but keeps the metadata of a folder for the
  life of the process, also when the folder has been made anew.
  """

  def __init__(
      self,
      directory: str | os.PathLike[str],
      splits: Sequence[str] | None = None,
  ):
    """Reads the metadata.

    Args:
      directory: a folder with `dataset_info.json`.
      splits: the only ones that there are to be; None for all.

    Raises:
      InputError: there is none.
    """
    self._directory = str(directory)
    if not (pathlib.Path(directory) / 'dataset_info.json').is_file():
      raise InputError(
          'The folder is not a TFDS dataset.',
          where=directory,
          expected='dataset_info.json, as the stage tasks writes it',
          fix='Run the stage tasks first, or correct the path.',
      )
    self._builder = tfds.builder_from_directory(self._directory)
    found = tuple(self._builder.info.splits)
    if splits is not None:
      found = tuple(name for name in found if name in splits)
    super().__init__(splits=found)

  @property
  def supports_arbitrary_sharding(self) -> bool:
    """Whether SeqIO may ask for more shards than there are files: no."""
    return False

  def num_input_examples(self, split: str) -> int:
    """Returns the number of records of a split."""
    return self._builder.info.splits[split].num_examples

  def list_shards(self, split: str) -> Sequence[str]:
    """Returns the files of a split."""
    files = self._builder.info.splits[split].file_instructions
    return [file.filename for file in files]

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
    """Returns the records of a split, or of one shard of its files.

    Args:
      split: the split's name.
      shuffle: whether to draw the order of the files, of which many are read
        at a time; if not, records come in the order of the files.
      seed: of that order.
      shard_info: which shard, of at most as many as there are files.
      sequence_length: not used.
      use_cached: not used.
      num_epochs: not used.

    Returns:
      One pass over the records.
    """
    del sequence_length, use_cached, num_epochs
    context = None
    if shard_info is not None:
      context = tf.distribute.InputContext(
          num_input_pipelines=shard_info.num_shards,
          input_pipeline_id=shard_info.index,
      )
    config = tfds.ReadConfig(
        input_context=context,
        shuffle_seed=seed,
        skip_prefetch=True,
        try_autocache=False,
    )
    if not shuffle:
      # By default 16 records of each file take turns.
      config.interleave_cycle_length = 1
    return self._builder.as_dataset(
        split=split, shuffle_files=shuffle, read_config=config
    )
