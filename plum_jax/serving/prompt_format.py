# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How a history becomes a generator's prompt; NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError

ENCODER_DECODER = 'encoder_decoder'
DECODER_ONLY = 'decoder_only'
_WINDOWS, _PAIRS = 'history_windows', 'retrieval_examples'


@dataclasses.dataclass(frozen=True, eq=False)
class Histories:
  """Item numbers of several users, one run after another.

  Attributes:
    items: int [total], item numbers, oldest first.
    offsets: int64 [num_users + 1]; user u has `items[offsets[u]:offsets[u+1]]`.
  """

  items: np.ndarray
  offsets: np.ndarray

  @property
  def num_users(self) -> int:
    """The number of histories."""
    return len(self.offsets) - 1

  @property
  def lengths(self) -> np.ndarray:
    """Items of each history, int64 [num_users]."""
    return np.diff(self.offsets)

  def newest(self, width: int) -> np.ndarray:
    """Lays the newest items of each history out in one array.

    Args:
      width: how many at most.

    Returns:
      int32 [num_users, width], oldest first, padded with -1 on the right.

    >>> Histories(np.array([7, 8, 9]), np.array([0, 1, 3])).newest(2).tolist()
    [[7, -1], [8, 9]]
    """
    ends = self.offsets[1:, None]
    starts = np.maximum(self.offsets[:-1, None], ends - width)
    positions = starts + np.arange(width)[None, :]
    if not len(self.items):
      return np.full(positions.shape, -1, np.int32)
    items = self.items[np.minimum(positions, len(self.items) - 1)]
    return np.where(positions < ends, items, -1).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class PromptFormat:
  """What the arrays of prompts look like; see `data.evaluation_arrays`.

  Attributes:
    kind: of the model, `decoder_only` or `encoder_decoder`.
    length: tokens of the array.
    max_items: the newest items that a prompt has, at most.
  """

  kind: str
  length: int
  max_items: int

  @property
  def needs_history(self) -> bool:
    """Whether a history without items has no prompt.

    A decoder-only model goes on from its start token; an encoder has nothing
    to read.
    """
    return self.kind == ENCODER_DECODER

  def features(
      self, histories: Histories, item_tokens: np.ndarray
  ) -> dict[str, np.ndarray]:
    """Makes the prompts of histories.

    Args:
      histories: of [batch] users.
      item_tokens: int32 [num_items, num_levels], SID tokens by item number.

    Returns:
      `encoder_input_tokens` int32 [batch, length], or `prompt_tokens` int32
      [batch, length] and `prompt_lengths` int32 [batch]; from the left, padded
      with 0.

    >>> tokens = np.array([[5, 9], [4, 8]], np.int32)
    >>> histories = Histories(np.array([1, 0, 1]), np.array([0, 1, 3]))
    >>> prompts = PromptFormat('decoder_only', 5, 2).features(histories, tokens)
    >>> prompts['prompt_tokens'].tolist(), prompts['prompt_lengths'].tolist()
    ([[4, 8, 0, 0, 0], [5, 9, 4, 8, 0]], [2, 4])
    """
    items = histories.newest(self.max_items)
    tokens = np.where(
        (items >= 0)[:, :, None], item_tokens[np.maximum(items, 0)], 0
    )
    tokens = tokens.reshape(len(items), -1).astype(np.int32)
    tokens = np.pad(tokens, ((0, 0), (0, self.length - tokens.shape[1])))
    if self.kind == ENCODER_DECODER:
      return {'encoder_input_tokens': tokens}
    num_items = np.minimum(histories.lengths, self.max_items)
    lengths = (num_items * item_tokens.shape[1]).astype(np.int32)
    return {'prompt_tokens': tokens, 'prompt_lengths': lengths}


def from_task(
    description: Mapping[str, Any],
    task_feature_lengths: Mapping[str, int],
    kind: str,
    num_levels: int,
) -> PromptFormat:
  """Finds the prompts that a task's evaluation uses.

  Args:
    description: of the task, as `data.task_description.describe` makes it.
    task_feature_lengths: tokens by task feature.
    kind: of the model.
    num_levels: SID tokens of an item.

  Returns:
    The format: that of `histories`, or that of `retrieval` without texts.

  Raises:
    InputError: the task's prompts are others, or have no room for an item.
  """
  steps = {
      step['name']: step['options']
      for step in description.get('preprocessors', ())
  }
  if _WINDOWS in steps and kind == DECODER_ONLY:
    length = task_feature_lengths['targets']
    # The window ends with the target, which is no part of the prompt.
    room = min(steps[_WINDOWS]['max_items'], length // num_levels) - 1
  elif _PAIRS in steps and 'texts' not in steps[_PAIRS]:
    length = task_feature_lengths['inputs']
    limit = steps[_PAIRS]['max_items']
    room = length // num_levels
    room = room if limit is None else min(limit, room)
  else:
    raise InputError(
        f'The prompts of the task {description.get("name")!r} cannot be made '
        f'from item ids for a model of kind {kind!r}.',
        where='EVALUATION_TASK',
        expected='the task histories for a decoder-only model; or the task '
        'retrieval without item_fields, user_fields and context_fields',
        fix='Serve a generator whose prompts are Semantic IDs alone.',
    )
  if room < 1:
    raise InputError(
        'A prompt has no room for an item.',
        where='TASK_FEATURE_LENGTHS, max_items',
        expected=f'at least {num_levels} tokens beside the target',
        fix='Raise the length and max_items.',
    )
  return PromptFormat(kind, length, room)
