# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Texts of like length side by side, in few different array shapes."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np

_LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


@dataclasses.dataclass(frozen=True)
class TokenizedTexts:
  """Texts as tokens, one after the other.

  Attributes:
    token_ids: [num_tokens] int32.
    offsets: [num_texts + 1] int64; text i is `offsets[i]:offsets[i + 1]`.
  """

  token_ids: np.ndarray
  offsets: np.ndarray

  def padded(
      self, rows: np.ndarray, num_rows: int, length: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """Makes a batch of a fixed shape.

    Args:
      rows: numbers of the texts, at most `num_rows`.
      num_rows: rows of the batch; those without a text hold one token, so
        that attention and the mean are defined.
      length: columns of the batch, at least the longest text.

    Returns:
      token_ids [num_rows, length] int32, 0 where there is no token, and mask
      [num_rows, length] bool.
    """
    begins = np.zeros(num_rows, np.int64)
    lengths = np.ones(num_rows, np.int64)
    begins[: len(rows)] = self.offsets[rows]
    lengths[: len(rows)] = self.offsets[rows + 1] - self.offsets[rows]
    columns = np.arange(length)[None, :]
    mask = columns < lengths[:, None]
    positions = np.where(mask, begins[:, None] + columns, 0)
    return np.where(mask, self.token_ids[positions], 0), mask


def bucket_lengths(max_length: int) -> tuple[int, ...]:
  """Returns the lengths that batches are padded to.

  Steps of a half and a third waste at most a third of the work; our choice.

  Args:
    max_length: length of the longest possible text.

  >>> bucket_lengths(40)
  (16, 24, 32, 40)
  >>> bucket_lengths(1024)[-2:]
  (512, 1024)
  """
  return (*(n for n in _LENGTHS if n < max_length), max_length)


def plan(
    lengths: np.ndarray, buckets: Sequence[int], num_rows: Sequence[int]
) -> list[tuple[np.ndarray, int]]:
  """Cuts texts into batches, the longest first.

  A batch is as long as the bucket of its longest text, and filled up with the
  next shorter ones; only the last one, of the shortest texts, may have fewer
  rows than its shape.

  Args:
    lengths: [num_texts] number of tokens of each text.
    buckets: lengths that batches are padded to, ascending; the last is at
      least the longest text.
    num_rows: rows of a batch of each of these lengths.

  Returns:
    For each batch the numbers of its texts and the index of its bucket.

  >>> batches = plan(np.array([2, 9, 3, 8]), buckets=(4, 16), num_rows=(2, 1))
  >>> [(rows.tolist(), bucket) for rows, bucket in batches]
  [([1], 1), ([3], 1), ([2, 0], 0)]
  """
  order = np.argsort(-lengths, kind='stable')
  bucket_of = np.searchsorted(buckets, lengths[order])
  batches = []
  begin = 0
  while begin < len(order):
    bucket = int(bucket_of[begin])
    end = begin + num_rows[bucket]
    batches.append((order[begin:end], bucket))
    begin = end
  return batches
