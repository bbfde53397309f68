# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Residual k-means: its sizes, and the codes that its codebooks give."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import jax
import jax.numpy as jnp

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import masked_points
from plum_jax.semantic_ids import tokenizer
from plum_jax.semantic_ids.masked_points import Modalities


@dataclasses.dataclass(frozen=True)
class ResidualKmeansConfig:
  """A tokenizer without a network: k-means level by level.

  The first level's codewords are the centroids of the items' embeddings, the
  second's those of what the first left over, and so on.

  Attributes:
    codebook_sizes: codes per level; sizes may differ.
    split_rounds: how often, at each level, codes are moved from where they help
      least to where they would help most; see `masked_kmeans.improve`. 0 is
      plain k-means after its start.
    iterations: Lloyd iterations per level after that, at most; a level ends
      when no item changes its code.
    max_items: at most this many items are clustered, drawn at random; None for
      as many as the devices have room for.
    standardize: shift and scale each modality so that its mean is 0 and the
      mean squared norm of its vectors is 1, so that all modalities count alike
      and the reconstruction error is comparable with an RQ-VAE's.
  """

  codebook_sizes: tuple[int, ...] = (256, 256, 256)
  split_rounds: int = 5
  iterations: int = 20
  max_items: int | None = None
  standardize: bool = True

  def __post_init__(self):
    sizes = tuple(int(size) for size in self.codebook_sizes)
    object.__setattr__(self, 'codebook_sizes', sizes)
    if not sizes or any(size < 1 for size in sizes):
      self._refuse('codebook_sizes', 'at least one level of positive size')
    if self.split_rounds < 0:
      self._refuse('split_rounds', 'a number of at least 0')
    if self.iterations < 1:
      self._refuse('iterations', 'a number of at least 1')
    if self.max_items is not None and self.max_items < max(sizes):
      self._refuse('max_items', f'None, or at least {max(sizes)}, a code each')

  def _refuse(self, name: str, expected: str) -> None:
    raise InputError(
        f'{name} = {getattr(self, name)!r} cannot be used.',
        where=f'ResidualKmeansConfig.{name}',
        expected=expected,
        fix='Correct the configuration.',
    )


def assign(
    points: jax.Array, codebooks: tuple[jax.Array, ...], modalities: Modalities
) -> tuple[jax.Array, jax.Array]:
  """Gives codes, and how much is lost when only the first ones are kept.

  Args:
    points: [num_points, width + number of modalities], see `masked_points`.
    codebooks: one [codebook_size, width] per level.
    modalities: (name, width) of each modality.

  Returns:
    Codes int32 [num_points, num_levels]; and [num_points, num_levels], the
    squared error of the sum of the first 1, 2, ... codewords, over the
    modalities that an item has.

  >>> books = jnp.array([[0.0, 0.0], [4.0, 0.0]]), jnp.array([[0.0, 1.0]])
  >>> codes, errors = assign(jnp.array([[5.0, 1.0, 1.0]]), books, (('a', 2),))
  >>> codes.tolist(), errors.tolist()
  ([[1, 0]], [[2.0, 1.0]])
  """
  codes, errors = [], []
  for codebook in codebooks:
    level_codes = masked_points.nearest(points, codebook, modalities)
    points = masked_points.subtract(points, codebook, level_codes, modalities)
    codes.append(level_codes)
    errors.append(masked_points.squared_norms(points, modalities))
  return jnp.stack(codes, axis=1), jnp.stack(errors, axis=1)


def last_level_distances(
    points: jax.Array, codebooks: tuple[jax.Array, ...], modalities: Modalities
) -> jax.Array:
  """Tells how near points are to each code of the last level.

  Args:
    points: [num_points, width + number of modalities].
    codebooks: one [codebook_size, width] per level.
    modalities: (name, width) of each modality.

  Returns:
    [num_points, codebook_sizes[-1]], squared distances, short of what is the
    same for all codes.
  """
  for codebook in codebooks[:-1]:
    codes = masked_points.nearest(points, codebook, modalities)
    points = masked_points.subtract(points, codebook, codes, modalities)
  return -2 * masked_points.scores(points, codebooks[-1], modalities)


def standardized(
    embeddings: tokenizer.Embeddings,
    present: tokenizer.Present,
    statistics: Mapping[str, tuple[jax.Array, jax.Array]],
    modalities: Modalities,
) -> jax.Array:
  """Puts the standardized modalities of each item side by side.

  Args:
    embeddings: [batch, dim] per modality.
    present: bool [batch] per modality.
    statistics: (mean [dim], scale []) per modality.
    modalities: (name, width) of each modality, in the order wanted.

  Returns:
    [batch, width + number of modalities], see `masked_points`.
  """
  parts = {}
  # By `modalities`: compiled functions get mappings in the order of names.
  for name, _ in modalities:
    mean, scale = statistics[name]
    parts[name] = (embeddings[name] - mean[None, :]) * scale
  return masked_points.join(parts, present)
