# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches straight from a SeqIO task, with a position that can be saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.data import feature_converters
from plum_jax.data import tensorflow_runtime

# SeqIO counts up from a seed, by 2 for each random preprocessor, within int32.
_MAX_SEED = 2**31 - 2**16


class SeqioBatches:
  """An endless iterator of batches of a task or mixture.

  Every epoch is a pass over the data with a seed of its own, drawn from `seed`
  and the epoch's number: other windows, another order. Batches go on over the
  end of an epoch, so that no row is left out.

  The position is (epoch, rows of it that were returned). To restore it, the
  epoch is read again up to that row, which takes one core about 5 ms a batch
  of 16 x 200 tokens. The iterator state that tf.data itself can save was
  measured and not taken: it holds the shuffle buffer, 9 MB for MovieLens-100K,
  and fits one graph of one TensorFlow version. For epochs of many hours there
  is `arrays.ArrayBatches`, which restores at once.

  A mixture's epoch ends as its `sample_fn` says; give it
  `stop_on_empty_dataset=True` for rates that hold to the end.
  """

  def __init__(
      self,
      task: str | seqio.Task | seqio.Mixture,
      split: str,
      sequence_length: Mapping[str, int],
      batch_size: int,
      seed: int,
      converter: str,
      pack: bool,
      *,
      shard_index: int = 0,
      num_shards: int = 1,
      num_threads: int = 1,
  ):
    """Takes the position at the beginning of epoch 0; reads nothing yet.

    Args:
      task: a task or mixture, or the name of a registered one.
      split: such as `train`.
      sequence_length: tokens by task feature, such as `inputs` and `targets`.
      batch_size: rows of a batch of this shard.
      seed: of all that is random.
      converter: see `feature_converters.make`.
      pack: whether to pack several examples into a row.
      shard_index: which shard of the data to read: the process's index.
      num_shards: number of shards; they are disjoint, and together all data.
      num_threads: threads that prepare data.

    Raises:
      InputError: there is no such task, split or converter.
    """
    self._provider = _find(task)
    if split not in self._provider.splits:
      raise InputError(
          f'The task has no split {split!r}.',
          where=self._provider.name,
          expected=f'one of {", ".join(self._provider.splits)}',
          fix='Choose one of them, or split the histories in another way.',
      )
    tensorflow_runtime.keep_off_accelerators()
    self._split = split
    self._sequence_length = dict(sequence_length)
    self._batch_size = batch_size
    self._converter = feature_converters.make(converter, pack)
    self._num_threads = num_threads
    self._identity = {
        'task': self._provider.name,
        'split': split,
        'seed': seed,
        'shard_index': shard_index,
        'num_shards': num_shards,
    }
    self._epoch, self._row = 0, 0
    self._chunks: Iterator[Mapping[str, np.ndarray]] | None = None
    self._left: list[Mapping[str, np.ndarray]] = []

  def __iter__(self) -> SeqioBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch: features by T5X's names, [batch_size, ...].

    Raises:
      InputError: the data gives no row at all.
    """
    taken: list[Mapping[str, np.ndarray]] = []
    wanted = self._batch_size
    while wanted:
      chunk = self._take_chunk()
      if chunk is None:
        self._end_epoch()
        continue
      rows = min(wanted, _num_rows(chunk))
      taken.append({name: a[:rows] for name, a in chunk.items()})
      if rows < _num_rows(chunk):
        self._left.append({name: a[rows:] for name, a in chunk.items()})
      self._row += rows
      wanted -= rows
    if len(taken) == 1:
      return dict(taken[0])
    return {n: np.concatenate([part[n] for part in taken]) for n in taken[0]}

  def epoch(self) -> Iterator[dict[str, np.ndarray]]:
    """Yields what is left of the epoch; the last batch may be smaller.

    Raises:
      InputError: the data gives no row at all.
    """
    while (chunk := self._take_chunk()) is not None:
      self._row += _num_rows(chunk)
      yield dict(chunk)
    self._end_epoch()

  def shapes(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Returns shape and dtype of each feature of a batch, without reading."""
    features = feature_converters.model_features(
        self._converter, self._sequence_length, self._provider.output_features
    )
    return {
        name: ((self._batch_size, length), dtype)
        for name, (length, dtype) in features.items()
    }

  def state(self) -> dict[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    return self._identity | {'epoch': self._epoch, 'row': self._row}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position that `state` returned; batch sizes may differ.

    Raises:
      InputError: it is a position in other data.
    """
    found = {name: state.get(name) for name in self._identity}
    if found != self._identity:
      raise InputError(
          'The saved position is one in other data.',
          where='input position of the checkpoint',
          expected=f'{self._identity}, got {found}',
          fix='Resume with the task, seed and number of hosts that the '
          'checkpoint was made with, or start anew.',
      )
    self._epoch, self._row = int(state['epoch']), int(state['row'])
    self._chunks, self._left = None, []

  def _take_chunk(self) -> Mapping[str, np.ndarray] | None:
    """Returns the next rows of the epoch, at most a batch; None at its end."""
    if self._left:
      return self._left.pop()
    if self._chunks is None:
      self._chunks = self._open_epoch()
    return next(self._chunks, None)

  def _end_epoch(self) -> None:
    if not self._row:
      raise InputError(
          'The data gives no training row.',
          where=f'{self._provider.name}, split {self._split}',
          expected='at least one example, in every shard',
          fix='Bring more or longer histories, or use fewer hosts.',
      )
    self._epoch, self._row, self._chunks = self._epoch + 1, 0, None

  def _open_epoch(self) -> Iterator[Mapping[str, np.ndarray]]:
    """Starts reading the epoch at the current row."""
    identity = self._identity
    shard_info = None
    if identity['num_shards'] > 1:
      shard_info = seqio.ShardInfo(
          identity['shard_index'], identity['num_shards']
      )
    dataset = self._provider.get_dataset(
        self._sequence_length,
        split=self._split,
        shuffle=True,
        seed=epoch_seed(identity['seed'], self._epoch),
        shard_info=shard_info,
        num_epochs=1,
        # The converter cuts to these lengths anyway.
        trim_output_features=False,
    )
    dataset = self._converter(dataset, self._sequence_length)
    dataset = (
        dataset.skip(self._row)
        .batch(self._batch_size)
        .prefetch(2)
        .with_options(tensorflow_runtime.options(self._num_threads))
    )
    return iter(dataset.as_numpy_iterator())


def epoch_seed(seed: int, epoch: int) -> int:
  """Returns the seed of an epoch, a positive int32 that SeqIO can count up.

  >>> epoch_seed(0, 1) != epoch_seed(1, 0)
  True
  """
  words = np.random.SeedSequence([seed, epoch]).generate_state(1)
  return int(words[0]) % _MAX_SEED


def _num_rows(chunk: Mapping[str, np.ndarray]) -> int:
  return len(next(iter(chunk.values())))


def _find(task: str | seqio.Task | seqio.Mixture) -> Any:
  """Returns a registered task or mixture."""
  if not isinstance(task, str):
    return task
  try:
    return seqio.get_mixture_or_task(task)
  except ValueError as error:
    raise InputError(
        f'No task or mixture {task!r} is registered.',
        where='MIXTURE_OR_TASK_NAME',
        expected='a name that a register function of tasks/ returned',
        fix='Import and call tasks.<stage>.register first.',
    ) from error
