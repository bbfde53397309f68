# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Codes of Semantic IDs as vocabulary ids, and back; NumPy alone."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

NO_CODE = -1
# Embedding tables are padded so that every mesh axis up to this size divides
# them, and so that a TPU's 128 lanes are full.
SIZE_MULTIPLE = 128


@dataclasses.dataclass(frozen=True)
class SidTokens:
  """Where the SID tokens lie in the vocabulary.

  Level `l` (from 1) takes `level_sizes[l - 1]` consecutive ids, and the levels
  follow each other: `token_id = first_id + level_offset + code`. A code of one
  level and the same code of another are different tokens. The disambiguation
  code is the last level.

  Attributes:
    first_id: the id of code 0 of level 1.
    level_sizes: number of codes of each level.
    vocab_size: number of ids of the whole vocabulary.

  >>> tokens = SidTokens(first_id=100, level_sizes=(4, 2), vocab_size=106)
  >>> tokens.token_ids(np.array([[0, 0], [3, 1]])).tolist()
  [[100, 104], [103, 105]]
  >>> tokens.codes(np.array([[103, 105], [105, 0]])).tolist()
  [[3, 1], [-1, -1]]
  >>> tokens.level_of(np.array([0, 103, 104, 106])).tolist()
  [0, 1, 2, 0]
  """

  first_id: int
  level_sizes: tuple[int, ...]
  vocab_size: int

  def __post_init__(self):
    if not self.level_sizes or min(self.level_sizes) < 1:
      raise ValueError(f'Every level needs a code, got {self.level_sizes}.')
    if self.first_id < 1 or self.vocab_size < self.end_id:
      raise ValueError(
          f'SID tokens {self.first_id} to {self.end_id - 1} do not fit between '
          f'the padding id 0 and the vocabulary size {self.vocab_size}.'
      )

  @property
  def num_levels(self) -> int:
    """The number of tokens of an item, with a disambiguation code if any."""
    return len(self.level_sizes)

  @property
  def end_id(self) -> int:
    """One more than the largest id of a SID token."""
    return self.first_id + sum(self.level_sizes)

  @property
  def padded_vocab_size(self) -> int:
    """`vocab_size` rounded up to a multiple of `SIZE_MULTIPLE`."""
    return -(-self.vocab_size // SIZE_MULTIPLE) * SIZE_MULTIPLE

  @functools.cached_property
  def level_first_ids(self) -> np.ndarray:
    """The id of code 0 of each level, int32 [num_levels]."""
    offsets = np.concatenate(([0], np.cumsum(self.level_sizes)[:-1]))
    return (self.first_id + offsets).astype(np.int32)

  def token_ids(self, full_codes: np.ndarray) -> np.ndarray:
    """Returns the tokens of items.

    Args:
      full_codes: integers [..., num_levels]; a disambiguation code is the last
        level.

    Returns:
      int32 [..., num_levels].

    Raises:
      ValueError: another number of levels, or a code beyond its level.
    """
    full_codes = np.asarray(full_codes)
    self._check_levels(full_codes)
    sizes = np.broadcast_to(self.level_sizes, full_codes.shape)
    if np.any((full_codes < 0) | (full_codes >= sizes)):
      raise ValueError(f'A code is not within the levels {self.level_sizes}.')
    first = np.broadcast_to(self.level_first_ids, full_codes.shape)
    return full_codes.astype(np.int32) + first

  def codes(self, token_ids: np.ndarray) -> np.ndarray:
    """Returns the codes of tokens.

    Args:
      token_ids: integers [..., num_levels].

    Returns:
      int32 [..., num_levels]; `NO_CODE` where a token is not one of its level.

    Raises:
      ValueError: another number of levels.
    """
    token_ids = np.asarray(token_ids)
    self._check_levels(token_ids)
    codes = token_ids.astype(np.int64) - np.broadcast_to(
        self.level_first_ids, token_ids.shape
    )
    sizes = np.broadcast_to(self.level_sizes, token_ids.shape)
    valid = (codes >= 0) & (codes < sizes)
    return np.where(valid, codes, NO_CODE).astype(np.int32)

  def level_of(self, token_ids: np.ndarray | int) -> np.ndarray:
    """Returns the level of each token, from 1; 0 where it is no SID token.

    Args:
      token_ids: integers of any shape.

    Returns:
      int32 of the same shape.
    """
    bounds = np.append(self.level_first_ids, self.end_id)
    level = np.searchsorted(bounds, np.asarray(token_ids), side='right')
    return np.where(level > self.num_levels, 0, level).astype(np.int32)

  def _check_levels(self, array: np.ndarray) -> None:
    if array.ndim == 0 or array.shape[-1] != self.num_levels:
      raise ValueError(
          f'Expected shape [..., {self.num_levels}], got {array.shape}.'
      )


def piece(level: int, code: int) -> str:
  """Returns a SID token as text.

  >>> piece(1, 37)
  '<sid_1_37>'
  """
  return f'<sid_{level}_{code}>'
