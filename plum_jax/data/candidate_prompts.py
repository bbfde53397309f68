# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A pointwise task's prompts about candidates, one for each of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.data import evaluation_arrays
from plum_jax.data import tensorflow_runtime
from plum_jax.data.expanded_source import ExpandedSource


def candidate_prompts(
    task: str,
    split: str,
    sequence_length: Mapping[str, int],
    converter: str,
    candidate_item_ids: np.ndarray,
) -> dict[str, np.ndarray]:
  """Reads the prompts that ask about each candidate of each target.

  The task's preprocessors see each record once for each candidate, which stands
  in the target's place.

  Args:
    task: name of a registered task whose prompts ask about the target, and
      mention it by its item number.
    split: `validation` or `test`.
    sequence_length: tokens by task feature, as in training.
    converter: see `evaluation_arrays`.
    candidate_item_ids: int32 [n, num_candidates], for the split's targets in
      their order.

  Returns:
    `user` int32 [n]; and `encoder_input_tokens`, or `prompt_tokens`, int32 [n,
    num_candidates, length], and with the latter `prompt_lengths` int32 [n,
    num_candidates].

  Raises:
    InputError: the task has no such split or no prompts, or it does not ask
      about just what stands in the target's place.
  """
  tensorflow_runtime.keep_off_accelerators()
  provider = seqio.get_mixture_or_task(task)
  evaluation_arrays.check_split(provider, split)
  if not isinstance(provider, seqio.Task):
    raise _not_pointwise(task, 'is a mixture')
  num_targets = provider.source.num_input_examples(split)
  if num_targets != len(candidate_item_ids):
    raise _not_pointwise(
        task, f'has {num_targets} targets, not {len(candidate_item_ids)}'
    )
  expanded = provider.replace(
      name=f'{task}_of_candidates',
      source=ExpandedSource(
          provider.source,
          split,
          {'target_item_id': candidate_item_ids.astype(np.int32)},
      ),
  )
  dataset = expanded.get_dataset(sequence_length, split=split, shuffle=False)
  arrays = evaluation_arrays.read(dataset, sequence_length, converter, task)
  asked = arrays['target_item_ids']
  if not np.array_equal(asked, candidate_item_ids.ravel()):
    raise _not_pointwise(
        task, f'has {len(asked)} examples for {candidate_item_ids.size} pairs'
    )
  shape = candidate_item_ids.shape
  prompts = {
      name: arrays[name].reshape(*shape, *arrays[name].shape[1:])
      for name in ('encoder_input_tokens', 'prompt_tokens', 'prompt_lengths')
      if name in arrays
  }
  tokens = next(x for x in prompts.values() if x.ndim == 3)
  if shape[1] > 1 and np.all(tokens == tokens[:, :1]):
    raise _not_pointwise(task, 'asks the same, whatever the candidate is')
  return {'user': arrays['user'].reshape(shape)[:, 0], **prompts}


def _not_pointwise(task: str, what: str) -> InputError:
  return InputError(
      f'The task {what}: it does not ask about one candidate after another.',
      where=task,
      expected='a task with one example a target, which asks about its item',
      fix='Name the task of pointwise ranking, or score answers instead.',
  )
