# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Assigning codes to all items, chunk by chunk from disk."""

from __future__ import annotations

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


def assign(
    tokenizer: tokenizers.Tokenizer,
    embeddings: inputs.TokenizerInputs,
    *,
    mesh: jax.sharding.Mesh | None = None,
) -> Assignment:
  """Gives every item its codes.

  Args:
    tokenizer: frozen.
    embeddings: of all items, usually memory-mapped; read once, in order.
    mesh: the mesh to spread each chunk over; None for one device.

  Returns:
    The codes in the order of the items.

  Raises:
    InputError: the embeddings have other modalities or widths than the
      tokenizer was trained on, or a value that is not finite.
  """
  check_modalities(tokenizer, embeddings)
  num_items = embeddings.num_items
  num_levels = len(tokenizer.codebook_sizes)
  codes = np.zeros((num_items, num_levels), np.int32)
  errors = np.zeros(num_levels)
  report = progress.Progress('semantic_ids: assign', num_items, 'items')
  # One chunk is computed while the next one is read.
  pending = None
  for start in (*range(0, num_items, CHUNK_ITEMS), None):
    started = None
    if start is not None:
      stop = min(start + CHUNK_ITEMS, num_items)
      batch = padded(embeddings.rows(slice(start, stop)), mesh)
      started = start, stop, tokenizer.assign(*batch)
    if pending is not None:
      first, last, (chunk_codes, chunk_errors) = pending
      chunk_errors = np.asarray(chunk_errors)[: last - first]
      _check_finite(chunk_errors, first, embeddings.source)
      codes[first:last] = np.asarray(chunk_codes)[: last - first]
      errors += chunk_errors.sum(axis=0, dtype=np.float64)
      report.update(last)
    pending = started
  return Assignment(codes, errors / num_items)


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
