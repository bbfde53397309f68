# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files that TFDS reads, written from serialized examples."""

from __future__ import annotations

from collections.abc import Iterator
import itertools
import pathlib

import tensorflow as tf
import tensorflow_datasets as tfds

DATASET_NAME = 'user_histories'
VERSION = '1.0.0'


def write_split(
    directory: pathlib.Path,
    split: str,
    examples: Iterator[bytes],
    num_examples: int,
    examples_per_shard: int,
) -> tfds.core.SplitInfo:
  """Writes one split as TFRecord files.

  Args:
    directory: where.
    split: the split's name.
    examples: serialized `tf.train.Example`s.
    num_examples: how many they are, at least one.
    examples_per_shard: the most examples of a file.

  Returns:
    What `write_metadata` needs to know of the split.
  """
  num_shards = -(-num_examples // examples_per_shard)
  template = _template(directory, split)
  lengths, num_bytes = [], 0
  for shard in range(num_shards):
    # Shards differ by at most one example, so that hosts share them evenly.
    length = (num_examples * (shard + 1)) // num_shards - sum(lengths)
    path = template.sharded_filepath(shard_index=shard, num_shards=num_shards)
    with tf.io.TFRecordWriter(str(path)) as writer:
      for example in itertools.islice(examples, length):
        writer.write(example)
        num_bytes += len(example)
    lengths.append(length)
  return tfds.core.SplitInfo(
      name=split,
      shard_lengths=lengths,
      num_bytes=num_bytes,
      filename_template=template,
  )


def write_metadata(
    directory: pathlib.Path,
    features: tfds.features.FeaturesDict,
    split_infos: list[tfds.core.SplitInfo],
) -> None:
  """Writes what `tfds.builder_from_directory` reads; no path is in it."""
  tfds.folder_dataset.write_metadata(
      data_dir=directory,
      features=features,
      split_infos=split_infos,
      version=VERSION,
      filename_template=_template(directory, None),
      check_data=False,
      description='User histories, one record a user and split.',
  )


def _template(
    directory: pathlib.Path, split: str | None
) -> tfds.core.ShardedFileTemplate:
  return tfds.core.ShardedFileTemplate(
      data_dir=directory,
      dataset_name=DATASET_NAME,
      split=split,
      filetype_suffix='tfrecord',
      template='{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
  )
