# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training batches for T5X, with a position that its checkpoints keep.

T5X's own input starts anew when a run is resumed, or saves tf.data's iterator,
shuffle buffer and all. These are the batches of this project's own launcher:
the same rows in the same order for the same seed, and a line of JSON to go on
from. With `SaveCheckpointConfig.save_dataset` T5X saves and restores it.
"""

from __future__ import annotations

import json
import os
from typing import Any, TYPE_CHECKING

from clu.data import dataset_iterator
from etils import epath
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.data.input_pipeline import SeqioBatches
from plum_jax.t5x.feature_converters import Converters

if TYPE_CHECKING:
  from t5x import utils


class Batches(dataset_iterator.DatasetIterator):
  """An endless iterator of batches, as T5X takes it."""

  def __init__(self, batches: SeqioBatches):
    """Reads the first batch, for its shapes.

    Args:
      batches: where the batches come from.
    """
    self._batches = batches
    self._start = batches.state()
    first = next(batches)
    self._element_spec = {
        name: dataset_iterator.ArraySpec(array.dtype, array.shape)
        for name, array in first.items()
    }
    batches.restore(self._start)

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch."""
    return next(self._batches)

  def get_next(self) -> dict[str, np.ndarray]:
    """Returns the next batch."""
    return next(self._batches)

  def reset(self) -> None:
    """Goes back to the first batch."""
    self._batches.restore(self._start)

  @property
  def element_spec(self) -> Any:
    """Shape and dtype of each feature of a batch."""
    return self._element_spec

  def save(self, filename: str | os.PathLike[str]) -> None:
    """Writes the position after the last batch."""
    epath.Path(filename).write_text(json.dumps(self._batches.state()))

  def restore(self, filename: str | os.PathLike[str]) -> None:
    """Goes to a position that `save` wrote.

    Raises:
      InputError: it is a position in other data.
    """
    self._batches.restore(json.loads(epath.Path(filename).read_text()))


def get_dataset(
    cfg: utils.DatasetConfig,
    shard_id: int,
    num_shards: int,
    feature_converter_cls: Converters,
    num_epochs: int | None = None,
    continue_from_last_checkpoint: bool = False,
) -> Batches:
  """Opens the input; a `get_dataset_fn` of T5X.

  Args:
    cfg: what to read. `shuffle` is always on, and `seed` must be given.
    shard_id: which shard of the data.
    num_shards: number of shards.
    feature_converter_cls: the model's; see `t5x.feature_converters.for_run`.
    num_epochs: must be None: batches never end.
    continue_from_last_checkpoint: T5X's, unused: it calls `restore`.

  Returns:
    The batches of the shard.

  Raises:
    InputError: something is asked for that these batches do not do.
  """
  del continue_from_last_checkpoint
  wrong = {
      'seed': cfg.seed is None,
      'use_cached': cfg.use_cached,
      'batch_size': cfg.batch_size % num_shards != 0,
      'num_epochs': num_epochs is not None,
  }
  for name, is_wrong in wrong.items():
    if is_wrong:
      raise InputError(
          f'{name}={getattr(cfg, name, num_epochs)} is not possible here.',
          where=f'DatasetConfig.{name}',
          expected='a seed, use_cached=False, num_epochs=None and a batch_size '
          f'that {num_shards} shards divide',
          fix="Use gin/t5x/*.gin, or T5X's own get_dataset.",
      )
  return Batches(
      SeqioBatches(
          cfg.mixture_or_task_name,
          cfg.split,
          cfg.task_feature_lengths,
          cfg.batch_size // num_shards,
          cfg.seed,
          feature_converter_cls.name,
          cfg.pack,
          shard_index=shard_id,
          num_shards=num_shards,
      )
  )
