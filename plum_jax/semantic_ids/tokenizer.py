# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What assignment asks of any tokenizer, whatever it learned by."""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Protocol

import jax

from plum_jax.artifacts import manifest

# Per modality: [batch, dim], and bool [batch], False where an item lacks it.
Embeddings = Mapping[str, jax.Array]
Present = Mapping[str, jax.Array]


class Tokenizer(Protocol):
  """A trained, frozen tokenizer: items' embeddings in, codes out."""

  @property
  def codebook_sizes(self) -> tuple[int, ...]:
    """Codes per level, without the disambiguation code."""
    ...

  @property
  def modality_sizes(self) -> tuple[tuple[str, int], ...]:
    """(name, embedding width) of each modality it reads."""
    ...

  def assign(
      self, embeddings: Embeddings, present: Present
  ) -> tuple[jax.Array, jax.Array]:
    """Gives codes and reconstruction errors of a batch.

    Args:
      embeddings: [batch, dim] per modality.
      present: bool [batch] per modality.

    Returns:
      Codes int32 [batch, num_levels]; squared reconstruction errors from the
      first 1, 2, ... levels, [batch, num_levels].
    """
    ...

  def last_level_distances(
      self, embeddings: Embeddings, present: Present
  ) -> jax.Array:
    """Tells how near a batch is to each code of the last level.

    Args:
      embeddings: [batch, dim] per modality.
      present: bool [batch] per modality.

    Returns:
      [batch, codebook_sizes[-1]]; the nearer, the smaller. `assign` gives the
      smallest, the lowest code on a tie.
    """
    ...

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes the tokenizer as a folder; see `tokenizer_files.write`."""
    ...


def tokenizer_hash(directory: str | os.PathLike[str]) -> str:
  """Returns the hash that ties a SID table to its tokenizer."""
  return manifest.content_hash(directory)
