# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A split's prompts and targets as arrays: what an evaluator asks a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import tensorflow_runtime

ENCODER_DECODER = 'encoder_decoder'
DECODER_ONLY = 'decoder_only'
# As in plum_jax.evaluation.protocols, which data may not import.
NO_ITEM = -1
_BATCH_SIZE = 1_024
_RATING = 'target_rating'


def evaluation_arrays(
    task: str,
    split: str,
    sequence_length: Mapping[str, int],
    converter: str,
    *,
    max_examples: int | None = None,
) -> dict[str, np.ndarray]:
  """Reads the prompts and targets of a split from its task.

  Args:
    task: name of a registered task over user histories.
    split: `validation` or `test`.
    sequence_length: tokens by task feature, as in training.
    converter: `encoder_decoder`, for a task with `inputs`; or `decoder_only`,
      for one with `inputs` (a prompt) or, like `histories`, with a
      `prompt_length` within `targets`.
    max_examples: only the first so many; None for all.

  Returns:
    For every target, in the order of the files (that of the users):
    * `user` int32 [n];
    * `target_item_ids` int32 [n];
    * `history_item_ids` int32 [n, longest history], newest last, padded with
      `NO_ITEM` on the left: whole histories, however short the prompt;
    * `target_ratings` float32 [n], if the task's examples have `target_rating`:
      what is to be predicted of the target, which the prompt asks about;
    * `encoder_decoder`: `encoder_input_tokens` int32 [n, length], padded with 0
      on the right;
    * `decoder_only`: `prompt_tokens` int32 [n, length], from the left, without
      a start token, padded with 0; and `prompt_lengths` int32 [n].

  Raises:
    InputError: the task has no such split or no such features.
  """
  tensorflow_runtime.keep_off_accelerators()
  provider = seqio.get_mixture_or_task(task)
  check_split(provider, split)
  dataset = provider.get_dataset(sequence_length, split=split, shuffle=False)
  if max_examples is not None:
    dataset = dataset.take(max_examples)
  return read(dataset, sequence_length, converter, task)


def check_split(provider: seqio.Task | seqio.Mixture, split: str) -> None:
  """Refuses a split without targets.

  Raises:
    InputError: naming those that have some.
  """
  with_targets = [name for name in provider.splits if name != 'train']
  if split not in with_targets:
    raise InputError(
        f'There are no targets in a split {split!r}.',
        where=provider.name,
        expected=f'one of {", ".join(with_targets)}',
        fix='Choose one of them, or split the histories in another way.',
    )


def read(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int],
    converter: str,
    task: str,
) -> dict[str, np.ndarray]:
  """Reads the arrays of a dataset; see `evaluation_arrays`.

  Args:
    dataset: examples of a task.
    sequence_length: tokens by task feature.
    converter: see `evaluation_arrays`.
    task: the task's name.
  """
  prompts, name, length = _prompts(dataset, sequence_length, converter, task)
  columns = _columns(prompts)
  arrays = {
      'user': columns['user'],
      'target_item_ids': columns['target_item_id'],
      'history_item_ids': _pad_left(columns['history_item_ids']),
      name: columns['prompt'].to_tensor(shape=[None, length]).numpy(),
  }
  if name == 'prompt_tokens':
    arrays['prompt_lengths'] = (
        columns['prompt'].row_lengths().numpy().astype(np.int32)
    )
  if _RATING in columns:
    arrays['target_ratings'] = columns[_RATING].astype(np.float32)
  return arrays


def _prompts(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int],
    converter: str,
    task: str,
) -> tuple[tf.data.Dataset, str, int]:
  """Adds `prompt`; returns also its name for the model and its longest."""
  spec = dataset.element_spec
  if 'inputs' in spec and converter in (ENCODER_DECODER, DECODER_ONLY):
    dataset = dataset.map(lambda x: x | {'prompt': x['inputs']})
    length = sequence_length['inputs']
  elif 'prompt_length' in spec and converter == DECODER_ONLY:
    dataset = dataset.map(
        lambda x: x | {'prompt': x['targets'][: x['prompt_length']]}
    )
    length = sequence_length['targets']
  else:
    raise InputError(
        f'The task has no prompt for a model of kind {converter!r}.',
        where=f'{task}, features {", ".join(spec)}',
        expected=f'inputs for {ENCODER_DECODER}; inputs or prompt_length for '
        f'{DECODER_ONLY}',
        fix='Choose the task retrieval or the other converter.',
    )
  keep = ['user', 'target_item_id', 'history_item_ids', 'prompt']
  keep += [_RATING] if _RATING in spec else []
  dataset = dataset.map(lambda x: {name: x[name] for name in keep})
  if converter == ENCODER_DECODER:
    return dataset, 'encoder_input_tokens', length
  return dataset, 'prompt_tokens', length


def _columns(dataset: tf.data.Dataset) -> dict[str, Any]:
  """Reads all examples: arrays of scalars, ragged tensors of sequences."""
  batches = list(dataset.ragged_batch(_BATCH_SIZE))
  columns: dict[str, Any] = {}
  for name, spec in dataset.element_spec.items():
    parts = [batch[name] for batch in batches]
    columns[name] = (
        tf.concat(parts, 0) if spec.shape.rank else np.concatenate(parts)
    )
  return columns


def _pad_left(rows: tf.RaggedTensor) -> np.ndarray:
  """Lays rows out so that they end together, padded with `NO_ITEM`."""
  lengths = rows.row_lengths().numpy()
  padded = np.full((len(lengths), lengths.max(initial=0)), NO_ITEM, np.int32)
  mask = (
      np.arange(padded.shape[1])[None, :] >= padded.shape[1] - lengths[:, None]
  )
  padded[mask] = rows.values.numpy()
  return padded
