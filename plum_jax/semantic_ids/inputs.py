# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Item embeddings as a tokenizer reads them: all modalities, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import os

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import row_file
from plum_jax.item_embeddings import store

_CHUNK_VALUES = 1 << 21  # 16 MB in float64; a pass holds a few such arrays.
# Both give rows as a new array, by a range or by their numbers.
Rows = np.ndarray | row_file.RowFile


@dataclasses.dataclass(frozen=True)
class TokenizerInputs:
  """Embeddings of all items, one array per modality.

  Attributes:
    arrays: float [num_items, dim] per modality, in memory or in a file. One
      goes through them by `rows` in pieces, so that memory holds a piece.
    present: bool [num_items] per modality; False where an item lacks it, and
      its row is then ignored.
    source: where they come from, for messages.
  """

  arrays: Mapping[str, Rows]
  present: Mapping[str, np.ndarray]
  source: str = 'embeddings'

  def __post_init__(self):
    lengths = {name: len(array) for name, array in self.arrays.items()}
    lengths |= {
        f'{name}.present': len(array) for name, array in self.present.items()
    }
    if len(set(lengths.values())) != 1:
      raise InputError(
          f'The modalities have different numbers of items: {lengths}.',
          where=self.source,
          expected='one row per item of the catalog in every array',
          fix='Make all item embeddings anew from one catalog.',
      )

  @property
  def num_items(self) -> int:
    """Number of items."""
    return len(next(iter(self.arrays.values())))

  @property
  def modality_sizes(self) -> tuple[tuple[str, int], ...]:
    """(name, embedding width) of each modality."""
    return tuple((name, a.shape[1]) for name, a in self.arrays.items())

  def rows(
      self, rows: np.ndarray | slice
  ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Reads some items.

    Args:
      rows: item numbers, or a range of them.

    Returns:
      Embeddings float32 [n, dim] and present bool [n], per modality.
    """
    arrays = {
        name: np.asarray(array[rows], dtype=np.float32)
        for name, array in self.arrays.items()
    }
    present = {
        name: np.asarray(array[rows]) for name, array in self.present.items()
    }
    return arrays, present


def from_array(array: np.ndarray, name: str = 'text') -> TokenizerInputs:
  """Makes the inputs of one modality that every item has.

  >>> from_array(np.zeros((3, 2))).modality_sizes
  (('text', 2),)
  """
  return TokenizerInputs({name: array}, {name: np.ones(len(array), bool)})


def load(
    directory: str | os.PathLike[str], modalities: Sequence[str] | None = None
) -> TokenizerInputs:
  """Opens the embeddings that the stage `item_embeddings` left.

  Args:
    directory: the artifact's folder.
    modalities: which to use, in this order; None for all.

  Returns:
    The embeddings, of which nothing is read yet.

  Raises:
    InputError: see `item_embeddings.store.load`; or the arrays have different
      numbers of rows.
  """
  loaded = store.load(directory, modalities)
  return TokenizerInputs(
      arrays={name: modality.vectors for name, modality in loaded.items()},
      present={name: modality.present for name, modality in loaded.items()},
      source=str(directory),
  )


@dataclasses.dataclass(frozen=True)
class Statistics:
  """Mean and scale that standardize a modality.

  Attributes:
    mean: float32 [dim].
    scale: 1 / sqrt(mean over items of ||x - mean||²).
  """

  mean: np.ndarray
  scale: np.float32


def check_and_measure(embeddings: TokenizerInputs) -> dict[str, Statistics]:
  """Reads every embedding once, in chunks.

  Args:
    embeddings: of all items.

  Returns:
    Statistics per modality, over the items that have it, in float64.

  Raises:
    InputError: a value is not finite, a modality is the same for all items, or
      an item has no modality at all.
  """
  _check_presence(embeddings)
  statistics = {}
  for name, array in embeddings.arrays.items():
    count = 0
    total = np.zeros(array.shape[1])
    squares = 0.0
    origin = np.zeros(array.shape[1])
    for start, rows, present in _chunks(array, embeddings.present[name]):
      finite = np.isfinite(rows).all(axis=1)
      if not finite.all():
        row = start + np.flatnonzero(present)[np.flatnonzero(~finite)[0]]
        raise InputError(
            'An embedding has values that are not finite (NaN or infinity).',
            where=f'{embeddings.source}, {name}, row {row}',
            expected='finite numbers, or the item marked as not present',
            fix='Embed the item again, or mark it as not present.',
        )
      if not len(rows):
        continue
      # Relative to the first vector: no cancellation when all lie far from 0.
      origin = origin if count else rows[0]
      shifted = rows - origin
      count += len(rows)
      total += shifted.sum(axis=0)
      squares += np.square(shifted).sum()
    mean = total / max(count, 1)
    variance = squares / max(count, 1) - np.square(mean).sum()
    # Float32 encoders give equal texts vectors that differ by about 1e-7.
    if not variance > 1e-12 * np.square(origin).sum():
      raise InputError(
          'All items have the same embedding, so that no code can tell them '
          'apart.',
          where=f'{embeddings.source}, {name}',
          expected='embeddings that differ between items',
          fix='Check the text or features that the embeddings are made from.',
      )
    statistics[name] = Statistics(
        (origin + mean).astype(np.float32), np.float32(1 / np.sqrt(variance))
    )
  return statistics


def _check_presence(embeddings: TokenizerInputs) -> None:
  present = np.any(list(embeddings.present.values()), axis=0)
  if not present.all():
    raise InputError(
        f'{int((~present).sum())} items have no embedding in any modality.',
        where=f'{embeddings.source}, row {int(np.argmin(present))}',
        expected='at least one modality per item',
        fix='Embed their text, or leave them out of the catalog.',
    )


def _chunks(
    array: Rows, present: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
  """Gives (first row, float64 rows that are present, mask) per chunk."""
  num_rows = max(1, _CHUNK_VALUES // array.shape[1])
  for start in range(0, len(array), num_rows):
    mask = present[start : start + num_rows]
    rows = np.asarray(array[start : start + num_rows], np.float64)
    yield start, rows[mask], mask
