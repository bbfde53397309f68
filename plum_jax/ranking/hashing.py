# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hashes of item ids and of numbers, for whole catalogs at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


def mix(numbers: np.ndarray, salt: int) -> np.ndarray:
  """Scatters numbers over 64 bits (the finalizer of SplitMix64).

  Args:
    numbers: uint64 or int64 of any shape.
    salt: another salt gives other hashes.

  Returns:
    uint64 of the same shape.

  >>> bool(mix(np.arange(2), 0)[0] != mix(np.arange(2), 1)[0])
  True
  """
  with np.errstate(over='ignore'):
    x = np.asarray(numbers).astype(np.uint64)
    x = x + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_texts(texts: pa.StringArray, salt: int) -> np.ndarray:
  """Hashes strings: FNV-1a over their UTF-8 bytes, then `mix`.

  It goes through positions of bytes, not through strings, so that a million
  ids of ten bytes are ten array operations.

  Args:
    texts: string [n], without nulls.
    salt: another salt gives other hashes.

  Returns:
    uint64 [n]; it depends on the text alone, not on its row.

  >>> hashes = hash_texts(pa.array(['a', 'b', 'a']), 0)
  >>> bool(hashes[0] == hashes[2]), bool(hashes[0] == hashes[1])
  (True, False)
  """
  binary = texts.cast(pa.large_binary())
  offsets = np.frombuffer(binary.buffers()[1], np.int64)
  offsets = offsets[binary.offset : binary.offset + len(binary) + 1]
  data = np.frombuffer(binary.buffers()[2] or b'', np.uint8)
  starts, lengths = offsets[:-1], np.diff(offsets)
  hashes = np.full(len(binary), _FNV_OFFSET)
  with np.errstate(over='ignore'):
    for position in range(int(lengths.max(initial=0))):
      rows = np.flatnonzero(lengths > position)
      byte = data[starts[rows] + position].astype(np.uint64)
      hashes[rows] = (hashes[rows] ^ byte) * _FNV_PRIME
  return mix(hashes, salt)


def to_rows(hashes: np.ndarray, num_rows: int) -> np.ndarray:
  """Reduces hashes to rows of a table.

  Args:
    hashes: uint64 of any shape.
    num_rows: of the table, at least 1.

  Returns:
    int64 in [0, num_rows), of the same shape.
  """
  return (hashes % np.uint64(num_rows)).astype(np.int64)
