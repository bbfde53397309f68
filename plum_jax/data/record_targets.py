# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is to be predicted of a user record: graph functions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from plum_jax.data.label_sampling import LabelSampling
from plum_jax.data.user_records import FIRST_TARGET
from plum_jax.data.user_records import NO_TARGET

Tensors = Mapping[str, tf.Tensor]

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor


def has_target(record: Tensors) -> tf.Tensor:
  """Whether a record is one of validation or test, bool."""
  return record['target_item_id'] != NO_TARGET


def item_ids_with_target(record: Tensors) -> tf.Tensor:
  """Returns the history and the target, if there is one, int32 [n]."""
  target = tf.reshape(record['target_item_id'], [1])
  target = tf.boolean_mask(target, target != NO_TARGET)
  return tf.concat([record['item_ids'], target], 0)


def label_positions(record: Tensors) -> tf.Tensor:
  """Returns the positions of a training record's targets, int32 [m].

  Its first item only ever is history, nor are items before its `first_target`
  targets.
  """
  first = tf.maximum(record.get(FIRST_TARGET, 0), 1)
  return tf.range(first, tf.maximum(tf.size(record['item_ids']), first))


def positions(
    record: Tensors, labels: LabelSampling, seed: tf.Tensor
) -> tf.Tensor:
  """Returns what an epoch is to predict of a record.

  Args:
    record: see `user_records.features`.
    labels: how those of a training record are chosen, whatever their rewards.
    seed: int32 [2].

  Returns:
    Positions in `item_ids_with_target`, int32 [m], ascending and at least 1:
    for validation and test that of the target.
  """
  return tf.cond(
      has_target(record),
      lambda: tf.reshape(tf.size(record['item_ids']), [1]),
      lambda: labels.thin_out(label_positions(record), seed),
  )


def evaluated_history(
    record: Tensors, num_examples: tf.Tensor
) -> tf.RaggedTensor:
  """Returns the history for the one example of a target, else nothing.

  Args:
    record: see `user_records.features`.
    num_examples: how many examples the record gives.

  Returns:
    int32 [num_examples, (items)].
  """
  is_there = has_target(record) & (num_examples > 0)
  length = tf.where(is_there, tf.size(record['item_ids']), 0)
  lengths = tf.pad(
      tf.reshape(length, [1]), [[0, tf.maximum(num_examples - 1, 0)]]
  )
  return _RaggedTensor.from_row_lengths(
      record['item_ids'][:length], lengths[:num_examples], validate=False
  )
