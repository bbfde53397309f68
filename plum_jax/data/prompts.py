# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prompts of SIDs and texts, cut to the input from the newest item backwards.

Graph functions alone, without a loop over items or labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from plum_jax.data import history_slices
from plum_jax.data.prompt_texts import PromptTexts

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor


def with_texts(
    texts: PromptTexts,
    tokens: tf.Tensor,
    item_ids: tf.Tensor,
    user: tf.Tensor,
    stops: tf.Tensor,
    length: int | None,
    max_items: int | None,
) -> tf.RaggedTensor:
  """Makes the prompt before each label of one user.

  Args:
    texts: of items and users.
    tokens: int32 [n, num_levels], SIDs of the history, oldest first.
    item_ids: int32 [n].
    user: the user's number.
    stops: int32 [m], positions of labels, at least 1.
    length: the most tokens of a prompt; None for no limit.
    max_items: the most items of its history; None for no limit.

  Returns:
    int32 [m, (tokens)]: the newest whole items that fit beside the parts on
    user and context item, oldest first, then these parts.
  """
  items = _items(texts, tokens, item_ids)
  parts = _parts(texts, tokens, item_ids, user, stops)
  room = None if length is None else length - parts.row_lengths()
  first = history_slices.starts(items, stops, room, max_items)
  history = history_slices.slices(items, first, stops)
  return _join([history, parts])


def _items(
    texts: PromptTexts, tokens: tf.Tensor, item_ids: tf.Tensor
) -> tf.RaggedTensor:
  """Returns each item's SID and text, int32 [n, (tokens)]."""
  sids = _RaggedTensor.from_tensor(tokens, row_splits_dtype=tf.int64)
  if texts.items is None:
    return sids
  return _join([sids, tf.gather(texts.tensors['items'], item_ids)])


def _parts(
    texts: PromptTexts,
    tokens: tf.Tensor,
    item_ids: tf.Tensor,
    user: tf.Tensor,
    stops: tf.Tensor,
) -> tf.RaggedTensor:
  """Returns what follows the history of each label, int32 [m, (tokens)]."""
  num_labels = tf.size(stops)
  parts = [
      _RaggedTensor.from_tensor(
          tf.zeros([num_labels, 0], tf.int32), row_splits_dtype=tf.int64
      )
  ]
  if texts.users is not None:
    parts.append(tf.gather(texts.tensors['users'], tf.fill([num_labels], user)))
  if texts.context is not None:
    newest = stops - 1
    words = tf.tile(
        tf.constant(texts.context_words[None, :], tf.int32), [num_labels, 1]
    )
    parts += [
        _RaggedTensor.from_tensor(
            tf.concat([words, tf.gather(tokens, newest)], axis=1),
            row_splits_dtype=tf.int64,
        ),
        tf.gather(texts.tensors['context'], tf.gather(item_ids, newest)),
    ]
  return _join(parts)


def _join(parts: Sequence[Any]) -> Any:
  """Puts ragged rows one after another; stubs call that a dense tensor."""
  return tf.concat(parts, axis=1)
