# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Slices of a history that fit an input, found by binary search.

The items of a history, each of some tokens, are one run of tokens; the items
that fit before a place in it are a slice of that run. No loop over items or
places: graph functions alone.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor


def starts(
    items: tf.RaggedTensor,
    stops: tf.Tensor,
    room: tf.Tensor | None,
    max_items: int | None,
) -> tf.Tensor:
  """Returns the first of the newest whole items that fit before each place.

  Args:
    items: int32 [n, (tokens)], oldest first; 64-bit splits.
    stops: int32 [m], places: the number of items before each.
    room: int64 [m], the most tokens; None for no limit.
    max_items: the most items; None for no limit.

  Returns:
    int32 [m], at most `stops`.
  """
  found = tf.zeros_like(stops)
  if room is not None:
    # Where each item begins in the run of tokens; the end of all of them last.
    begins = items.row_splits
    found = tf.searchsorted(
        begins, tf.gather(begins, stops) - room, side='left'
    )
    found = tf.minimum(found, stops)
  if max_items is not None:
    found = tf.maximum(found, stops - max_items)
  return found


def slices(
    items: tf.RaggedTensor, first: tf.Tensor, stops: tf.Tensor
) -> tf.RaggedTensor:
  """Returns the tokens of items `first[i]` up to, not including, `stops[i]`.

  Args:
    items: int32 [n, (tokens)]; 64-bit splits.
    first: int32 [m].
    stops: int32 [m].

  Returns:
    int32 [m, (tokens)].
  """
  begins = items.row_splits
  rows = tf.ragged.range(tf.gather(begins, first), tf.gather(begins, stops))
  return _RaggedTensor.from_row_splits(
      tf.gather(items.values, rows.values), rows.row_splits, validate=False
  )


def following(
    items: tf.RaggedTensor, places: tf.Tensor, count: int
) -> tf.RaggedTensor:
  """Returns the tokens of so many items from each place on, if there are.

  Args:
    items: int32 [n, (tokens)]; 64-bit splits.
    places: int32 [m], each below `n`.
    count: items.

  Returns:
    int32 [m, (tokens)].
  """
  num_items = tf.cast(items.nrows(), places.dtype)
  return slices(items, places, tf.minimum(places + count, num_items))


def described(items_per_sample: int) -> dict[str, int]:
  """Returns what samples of several items add to a task's description.

  One is what goes without saying: manifests of older tasks stay what they are.
  """
  return {'items_per_sample': items_per_sample} if items_per_sample > 1 else {}
