# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""From user records to examples: SeqIO preprocessors, graph functions alone.

A preprocessor maps a `tf.data.Dataset` to another. Randomness comes from the
seeds that SeqIO hands in, so that a task's examples depend on the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import functools
from typing import Any

import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import label_sampling
from plum_jax.data import prompts
from plum_jax.data import record_targets
from plum_jax.data.label_sampling import LabelSampling
from plum_jax.data.prompt_texts import PromptTexts
from plum_jax.data.user_records import FIRST_TARGET

Tensors = Mapping[str, tf.Tensor]

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor

ALL_POSITIONS = 'all'
ONE_POSITION = 'one'


@seqio.map_over_dataset
def sid_tokens(
    record: Tensors, level_first_ids: Sequence[int]
) -> dict[str, tf.Tensor]:
  """Turns a record's codes into SID tokens.

  Args:
    record: see `user_records.features`.
    level_first_ids: the token of code 0 of each level.

  Returns:
    `tokens` int32 [n, num_levels] of the history, `target_tokens` int32
    [1, num_levels], or [0, num_levels] in a training record; and what the
    record has beside codes and the user's id.
  """
  first_ids = tf.constant([level_first_ids], tf.int32)
  shape = [-1, len(level_first_ids)]
  codes = ('sid_codes', 'target_sid_codes', 'user_id')
  return {name: x for name, x in record.items() if name not in codes} | {
      'tokens': tf.reshape(record['sid_codes'], shape) + first_ids,
      'target_tokens': (
          tf.reshape(record['target_sid_codes'], shape) + first_ids
      ),
  }


def retrieval_examples(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    positions: str = ALL_POSITIONS,
    max_items: int | None = None,
    labels: LabelSampling | None = None,
    texts: PromptTexts | None = None,
) -> tf.data.Dataset:
  """Makes (history, next item) pairs: TIGER's task (2305.05065, section 3.2).

  A training record gives pairs from within its window, whose first item only
  ever is history, nor are items before its `first_target`; another record
  gives the one pair of its target, whatever that is worth.

  Args:
    dataset: records with `sid_tokens`.
    sequence_length: the budget of `inputs` in tokens; None is no limit.
    positions: `all`, each item of a window is the target of a pair; or `one`,
      one position is drawn for every user and epoch.
    max_items: the most items of a history; None is no limit but the budget.
    labels: which items of a window are targets in an epoch; None for all.
    texts: what the prompt says beside SIDs; None for nothing.

  Returns:
    Examples with `inputs` int32 [m], the newest items that fit, whole ones,
    oldest first, each with its text, then what `texts` says of user and
    context; `targets` int32 [num_levels]; `user`, `target_item_id` int32;
    `history_item_ids` int32: the whole history of a target of validation or
    test, empty in training; and, if rewards are weights, `loss_weight` float32,
    1 for validation and test.

  Raises:
    InputError: the budget of `inputs` holds no item, or that of `targets` not
      a whole SID; or it does not hold the texts.
  """
  num_levels = dataset.element_spec['tokens'].shape[1]
  _item_limit(sequence_length, 'targets', num_levels, None)
  limit = _item_limit(sequence_length, 'inputs', num_levels, max_items)
  length = (sequence_length or {}).get('inputs')
  if texts is not None and length is not None:
    texts.check_budget(length, num_levels)

  pairs = _traced(
      _pairs,
      num_levels=num_levels,
      limit=limit,
      positions=positions,
      labels=labels,
      texts=texts,
      length=length,
      max_items=max_items,
  )
  return _map_and_flatten(dataset, pairs)


def history_windows(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    max_items: int,
) -> tf.data.Dataset:
  """Cuts histories into windows whose every token is to be predicted.

  A training window that is longer than `max_items` is cut at an offset drawn
  for every user and epoch, so that each interaction is in exactly one window
  an epoch, and not always at the same place in it. Another record gives one
  window: the newest items of the history and, at its end, the target.

  Args:
    dataset: records with `sid_tokens`.
    sequence_length: the budget of `targets` in tokens; None is no limit.
    max_items: the most items of a window.

  Returns:
    Examples with `targets` int32 [m * num_levels]; `prompt_length` int32, the
    number of tokens before the target, or 0 in training; `user`,
    `target_item_id` int32 (`NO_TARGET` in training); and `history_item_ids`
    int32 as in `retrieval_examples`.

  Raises:
    InputError: the budget holds no item; or training is to predict some days
      alone, which windows do not tell apart.
  """
  if FIRST_TARGET in dataset.element_spec:
    raise InputError(
        'The split gives training days of its own, and windows of histories '
        'are predicted whole.',
        where='SPLIT_OPTIONS, train_days',
        expected='a split without train_days, or the task retrieval',
        fix='Choose MIXTURE_OR_TASK_NAME = @retrieval.register().',
    )
  num_levels = dataset.element_spec['tokens'].shape[1]
  limit = _item_limit(sequence_length, 'targets', num_levels, max_items)
  assert limit is not None

  windows = _traced(_windows, num_levels=num_levels, limit=limit)
  return _map_and_flatten(dataset, windows)


@functools.lru_cache
def _traced(function: Callable[..., Any], **kwargs: Any) -> Callable[..., Any]:
  """Returns a graph function of (record, seed).

  The same one for the same arguments, so that it is traced once and not every
  epoch.
  """
  return tf.function(functools.partial(function, **kwargs), autograph=False)


def _map_and_flatten(
    dataset: tf.data.Dataset, function: Callable[..., Any]
) -> tf.data.Dataset:
  """Maps records to several examples each, and lays these out one by one."""
  mapped = seqio.map_over_dataset(
      lambda record, seed: function(record, seed), num_seeds=1
  )(dataset)
  return mapped.flat_map(tf.data.Dataset.from_tensor_slices)


def _pairs(
    record: Tensors,
    seed: tf.Tensor,
    *,
    num_levels: int,
    limit: int | None,
    positions: str,
    labels: LabelSampling | None,
    texts: PromptTexts | None,
    length: int | None,
    max_items: int | None,
) -> dict[str, Any]:
  """Returns the (history, next item) pairs of a record, stacked."""
  tokens, item_ids, num_history = _with_target(record)
  stops = tf.cond(
      record_targets.has_target(record),
      lambda: tf.reshape(num_history, [1]),
      lambda: _labels(record, seed, positions, labels),
  )
  if texts is None:
    inputs = _sid_prompts(tokens, stops, num_levels, limit)
  else:
    inputs = prompts.with_texts(
        texts, tokens, item_ids, record['user'], stops, length, max_items
    )
  pairs = {
      'inputs': inputs,
      'targets': tf.gather(tokens, stops),
      'user': tf.fill([tf.size(stops)], record['user']),
      'target_item_id': tf.gather(item_ids, stops),
      'history_item_ids': record_targets.evaluated_history(
          record, tf.size(stops)
      ),
  }
  if labels is not None and labels.rewards == label_sampling.WEIGHT:
    pairs['loss_weight'] = tf.cond(
        record_targets.has_target(record),
        lambda: tf.ones_like(stops, tf.float32),
        lambda: labels.share(record, stops),
    )
  return pairs


def _labels(
    record: Tensors,
    seed: tf.Tensor,
    positions: str,
    labels: LabelSampling | None,
) -> tf.Tensor:
  """Returns the positions of a training record's targets, int32 [n]."""
  stops = record_targets.label_positions(record)
  if labels is not None:
    stops = labels.candidates(record, stops)
  if positions == ONE_POSITION:
    stops = tf.random.experimental.stateless_shuffle(stops, seed)[:1]
  if labels is not None:
    stops = labels.draw(record, labels.thin_out(stops, seed), seed)
  return stops


def _sid_prompts(
    tokens: tf.Tensor, stops: tf.Tensor, num_levels: int, limit: int | None
) -> tf.RaggedTensor:
  """Returns the SIDs of the newest items before each stop."""
  starts = tf.zeros_like(stops)
  if limit is not None:
    starts = tf.maximum(stops - limit, 0)
  rows = tf.ragged.range(starts, stops)
  inputs = tf.gather(tokens, rows.values)
  return _RaggedTensor.from_row_splits(
      tf.reshape(inputs, [-1]), rows.row_splits * num_levels, validate=False
  )


def _windows(
    record: Tensors, seed: tf.Tensor, *, num_levels: int, limit: int
) -> dict[str, Any]:
  """Returns the windows of a record, stacked."""
  tokens, _, num_history = _with_target(record)
  has_target = record_targets.has_target(record)
  oldest = tf.where(has_target, tf.maximum(tf.shape(tokens)[0] - limit, 0), 0)
  tokens = tokens[oldest:]
  lengths = _window_lengths(tf.shape(tokens)[0], limit, seed)
  shape = [tf.size(lengths)]
  return {
      'targets': _RaggedTensor.from_row_lengths(
          tf.reshape(tokens, [-1]), lengths * num_levels, validate=False
      ),
      'prompt_length': tf.fill(
          shape, tf.where(has_target, (num_history - oldest) * num_levels, 0)
      ),
      'user': tf.fill(shape, record['user']),
      'target_item_id': tf.fill(shape, record['target_item_id']),
      'history_item_ids': record_targets.evaluated_history(record, shape[0]),
  }


def _window_lengths(
    num_items: tf.Tensor, limit: int, seed: tf.Tensor
) -> tf.Tensor:
  """Draws the lengths of consecutive windows, int32 [num_windows]."""
  drawn = tf.random.stateless_uniform([], seed, 1, limit + 1, tf.int32)
  first = tf.where(num_items > limit, drawn, num_items)
  num_full = (num_items - first) // limit
  last = num_items - first - num_full * limit
  lengths = tf.concat([[first], tf.fill([num_full], limit), [last]], 0)
  return tf.boolean_mask(lengths, lengths > 0)


def _item_limit(
    sequence_length: Mapping[str, int] | None,
    feature: str,
    num_levels: int,
    max_items: int | None,
) -> int | None:
  """Returns how many whole items fit, or None for no limit."""
  limits = [] if max_items is None else [max_items]
  length = (sequence_length or {}).get(feature)
  if length is not None:
    limits.append(length // num_levels)
  if limits and min(limits) < 1:
    raise InputError(
        f'The feature {feature} has no room for one item.',
        where=f'sequence length {length}, max_items {max_items}',
        expected=f'at least {num_levels} tokens, the length of a Semantic ID, '
        'and at least one item',
        fix=f'Raise TASK_FEATURE_LENGTHS[{feature!r}] or max_items.',
    )
  return min(limits) if limits else None


def _with_target(record: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns tokens and items with the target at the end, and history length."""
  return (
      tf.concat([record['tokens'], record['target_tokens']], 0),
      record_targets.item_ids_with_target(record),
      tf.size(record['item_ids']),
  )
