# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Packing several examples into one row, without a loop over examples."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

import tensorflow as tf

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor


def batch_size(lengths: Mapping[str, int]) -> int:
  """Returns how many examples are packed at a time: SeqIO's number.

  They fill one row even if they have a token each.
  """
  return max(lengths.values())


def pack(
    batch: Mapping[str, tf.RaggedTensor],
    lengths: Mapping[str, int],
    of_examples: Mapping[str, tf.Tensor] | None = None,
) -> dict[str, tf.Tensor]:
  """Packs examples as `seqio.trim_and_pack_dataset` does, and gives the same.

  SeqIO's loops over examples inside the graph; this finds the rows of a whole
  batch of examples at once: where a row would end if one started at example
  i is known for every i from the summed lengths, and following those jumps from
  example 0 takes log2(n) doublings.

  Args:
    batch: int32 [n, (tokens)] by feature, `n` at most `batch_size(lengths)`.
    lengths: length of a row, by feature; other features are left out.
    of_examples: values [n] by name that all tokens of an example's `targets`
      share.

  Returns:
    For each feature int32 [num_rows, length] of its name (padded with 0),
    `<name>_segment_ids` (from 1, padded with 0) and `<name>_positions` (within
    the example); and the shared values at the tokens, `targets_<name>`.
    Examples stay in their order; one that is longer than a row is cut.
  """
  batch = {name: _trim(batch[name], lengths[name]) for name in lengths}
  num_tokens = {
      name: tf.cast(tokens.row_lengths(), tf.int32)
      for name, tokens in batch.items()
  }
  row, segment = _rows(num_tokens, lengths)
  packed = {}
  for name, tokens in batch.items():
    counts = num_tokens[name]
    of_row = tf.repeat(row, counts)
    fields = {
        name: tokens.values,
        f'{name}_segment_ids': tf.repeat(segment, counts),
        f'{name}_positions': tf.ragged.range(counts).values,
    }
    if name == 'targets':
      for shared, values in (of_examples or {}).items():
        fields[f'targets_{shared}'] = tf.repeat(values, counts)
    for field, values in fields.items():
      packed[field] = _RaggedTensor.from_value_rowids(
          values, of_row, nrows=row[-1] + 1, validate=False
      ).to_tensor(shape=[None, lengths[name]])
  return packed


def _trim(batch: tf.RaggedTensor, length: int) -> tf.RaggedTensor:
  """Cuts examples to a length and drops padding, which SeqIO knows by its 0."""
  batch = batch[:, :length]
  return tf.ragged.boolean_mask(batch, batch != 0)


def _rows(
    num_tokens: Mapping[str, tf.Tensor], lengths: Mapping[str, int]
) -> tuple[tf.Tensor, tf.Tensor]:
  """Assigns examples to rows, in order, each row as full as possible.

  Args:
    num_tokens: int32 [n] for each feature, none above its length.
    lengths: length of a row, by feature.

  Returns:
    int32 [n], the row of each example, from 0; and int32 [n], its segment
    within the row, from 1.
  """
  n = tf.size(next(iter(num_tokens.values())))
  jump = tf.fill([n], n)
  for key, counts in num_tokens.items():
    ends = tf.cumsum(counts)
    starts = ends - counts
    # The first example that no longer fits a row which starts at each one.
    jump = tf.minimum(
        jump, tf.searchsorted(ends, starts + lengths[key], side='right')
    )
  jump = tf.concat([jump, [n]], 0)
  first = tf.one_hot(0, n + 1, dtype=tf.int32)
  for _ in range(math.ceil(math.log2(batch_size(lengths) + 1))):
    first = tf.maximum(first, tf.math.unsorted_segment_max(first, jump, n + 1))
    jump = tf.gather(jump, jump)
  first = first[:n]
  row = tf.cumsum(first) - 1
  index = tf.range(n)
  start = tf.gather(tf.boolean_mask(index, first > 0), row)
  return row, index - start + 1
