# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Assigning codes to all items, chunk by chunk from disk."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.sharding import mesh as meshes

# Also the shape that is compiled, whatever the number of items: a new item
# assigned alone gets the same bits as in the midst of a catalog.
CHUNK_ITEMS = 2_048


@dataclasses.dataclass(frozen=True)
class Assignment:
  """Codes of all items.

  Attributes:
    codes: int32 [num_items, num_levels].
    reconstruction_errors: float64 [num_levels], the mean over items of the
      squared reconstruction error from the first 1, 2, ... levels. With
      standardized embeddings of one modality, the share of variance lost.
  """

  codes: np.ndarray
  reconstruction_errors: np.ndarray


@dataclasses.dataclass(frozen=True)
class Chunk:
  """Codes of consecutive items.

  Attributes:
    begin: the first item.
    codes: int32 [n, num_levels].
    errors: float32 [n, num_levels], squared reconstruction errors from the
      first 1, 2, ... levels.
  """

  begin: int
  codes: np.ndarray
  errors: np.ndarray


def assign(
    tokenizer: tokenizers.Tokenizer,
    embeddings: inputs.TokenizerInputs,
    *,
    mesh: jax.sharding.Mesh | None = None,
) -> Assignment:
  """Gives every item its codes.

  Args:
    tokenizer: frozen.
    embeddings: of all items; read once, in order.
    mesh: the mesh to spread each chunk over; None for one device.

  Returns:
    The codes in the order of the items.

  Raises:
    InputError: the embeddings have other modalities or widths than the
      tokenizer was trained on, or a value that is not finite.
  """
  num_items = embeddings.num_items
  num_levels = len(tokenizer.codebook_sizes)
  codes = np.zeros((num_items, num_levels), np.int32)
  errors = np.zeros(num_levels)
  report = progress.Progress('semantic_ids: assign', num_items, 'items')
  for chunk in chunks(tokenizer, embeddings, mesh=mesh):
    end = chunk.begin + len(chunk.codes)
    codes[chunk.begin : end] = chunk.codes
    errors += chunk.errors.sum(axis=0, dtype=np.float64)
    report.update(end)
  return Assignment(codes, errors / num_items)


def chunks(
    tokenizer: tokenizers.Tokenizer,
    embeddings: inputs.TokenizerInputs,
    *,
    begin: int = 0,
    end: int | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> Iterator[Chunk]:
  """Gives codes of a range of items, chunk by chunk.

  One chunk is read while the one before it is computed; memory holds these
  two, however many items there are.

  Args:
    tokenizer: frozen.
    embeddings: of all items; the range is read once, in order.
    begin: the first item, a multiple of `CHUNK_ITEMS`. Every item then lies in
      the same chunk, at the same place, as when all items are assigned, so
      that its codes are the same to the bit.
    end: the item after the last; None for all.
    mesh: the mesh to spread each chunk over; None for one device.

  Yields:
    The chunks in order.

  Raises:
    InputError: see `assign`.
  """
  if begin % CHUNK_ITEMS:
    raise ValueError(f'begin = {begin} is no multiple of {CHUNK_ITEMS}.')
  check_modalities(tokenizer, embeddings)
  end = embeddings.num_items if end is None else end
  pending = None
  for start in (*range(begin, end, CHUNK_ITEMS), None):
    started = None
    if start is not None:
      stop = min(start + CHUNK_ITEMS, end)
      batch = padded(embeddings.rows(slice(start, stop)), mesh)
      # Returns at once: the device works while this loop goes on.
      started = start, stop - start, tokenizer.assign(*batch)
    if pending is not None:
      first, count, outputs = pending
      codes, errors = (np.asarray(output)[:count] for output in outputs)
      _check_finite(errors, first, embeddings.source)
      yield Chunk(first, codes, errors)
    pending = started


def check_modalities(
    tokenizer: tokenizers.Tokenizer,
    embeddings: inputs.TokenizerInputs,
) -> None:
  """Refuses embeddings of another kind than the tokenizer was trained on."""
  if tokenizer.modality_sizes != embeddings.modality_sizes:
    raise InputError(
        'The tokenizer was trained on other embeddings: it reads '
        f'{dict(tokenizer.modality_sizes)}.',
        where=embeddings.source,
        expected=f'modalities and widths {dict(tokenizer.modality_sizes)}, '
        f'got {dict(embeddings.modality_sizes)}',
        fix='Embed the items with the same encoders.',
    )


def padded(batch: Any, mesh: jax.sharding.Mesh | None) -> Any:
  """Fills a chunk up to its fixed size, and puts it on the devices.

  Args:
    batch: a tree of arrays [n, ...], n at most `CHUNK_ITEMS`.
    mesh: the mesh to spread it over; None for one device.

  Returns:
    The tree with arrays [CHUNK_ITEMS, ...], zeros after the first n rows.
  """

  def pad(array):
    missing = CHUNK_ITEMS - len(array)
    if not missing:
      return array
    return np.pad(array, ((0, missing), *((0, 0),) * (array.ndim - 1)))

  filled = jax.tree.map(pad, batch)
  if mesh is None:
    return filled
  return jax.device_put(filled, meshes.batch_sharding(mesh))


def _check_finite(errors: np.ndarray, first: int, source: str) -> None:
  finite = np.isfinite(errors).all(axis=1)
  if not finite.all():
    raise InputError(
        'An embedding has values that are not finite (NaN or infinity).',
        where=f'{source}, row {first + int(np.argmin(finite))}',
        expected='finite numbers, or the item marked as not present',
        fix='Repair the row and embed the item again.',
    )
