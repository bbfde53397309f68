# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sequences of a split as arrays: what a language model is measured on."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import numpy as np
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import tensorflow_runtime

_BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class Sequences:
  """Token sequences, some of which have an answer at their end.

  Attributes:
    tokens: int32 [n, length], from the left, padded with 0.
    prompt_lengths: int32 [n], tokens before the answer; 0 where there is none.
    lengths: int32 [n], tokens in all.
    items: int32 [n], the item that a sentence is about, or that is to be
      predicted; -1 where there is none.
  """

  tokens: np.ndarray
  prompt_lengths: np.ndarray
  lengths: np.ndarray
  items: np.ndarray

  def __len__(self) -> int:
    return len(self.tokens)


def read(
    task: str,
    split: str,
    sequence_length: Mapping[str, int],
    *,
    max_examples: int,
    seed: int = 0,
) -> Sequences:
  """Reads sequences of a split from a task.

  Args:
    task: a registered task with `targets`.
    split: such as `validation`.
    sequence_length: tokens by task feature; longer sequences are left out.
    max_examples: the most sequences; which ones, the seed says.
    seed: of that, and of phrasings.

  Returns:
    The sequences.

  Raises:
    InputError: there is no such split, or nothing in it fits.
  """
  tensorflow_runtime.keep_off_accelerators()
  provider = seqio.get_mixture_or_task(task)
  if split not in provider.splits:
    raise InputError(
        f'The task has no split {split!r}.',
        where=task,
        expected=f'one of {", ".join(provider.splits)}',
        fix='Hold items or text out for it.',
    )
  length = sequence_length['targets']
  dataset = provider.get_dataset(
      sequence_length,
      split=split,
      shuffle=True,
      seed=seed,
      num_epochs=1,
      trim_output_features=False,
  )
  dataset = dataset.filter(lambda x: tf.size(x['targets']) <= length)
  dataset = dataset.map(_columns).take(max_examples).ragged_batch(_BATCH_SIZE)
  parts = [
      (
          batch['tokens'].to_tensor(shape=[None, length]).numpy(),
          batch['prompt_length'].numpy(),
          batch['tokens'].row_lengths().numpy(),
          batch['item'].numpy(),
      )
      for batch in dataset
  ]
  if not parts:
    raise InputError(
        f'Nothing in the split {split!r} fits {length} tokens.',
        where=task,
        expected='at least one sequence',
        fix="Raise TASK_FEATURE_LENGTHS['targets'].",
    )
  columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
  return Sequences(*(column.astype(np.int32) for column in columns))


def _columns(example: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  none = tf.constant(-1)
  return {
      'tokens': example['targets'],
      'prompt_length': example.get('prompt_length', tf.constant(0)),
      'item': example.get('target_item_id', none),
  }
