# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Codebooks of residual k-means as a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools
import os

import jax
import numpy as np

from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import residual_kmeans
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_files

KIND = 'residual_kmeans'


@functools.partial(jax.jit, static_argnums=0)
def _assign(modality_sizes, statistics, codebooks, embeddings, present):
  points = residual_kmeans.standardized(
      embeddings, present, statistics, modality_sizes
  )
  return residual_kmeans.assign(points, codebooks, modality_sizes)


@functools.partial(jax.jit, static_argnums=0)
def _last_level_distances(
    modality_sizes, statistics, codebooks, embeddings, present
):
  points = residual_kmeans.standardized(
      embeddings, present, statistics, modality_sizes
  )
  return residual_kmeans.last_level_distances(points, codebooks, modality_sizes)


@dataclasses.dataclass(frozen=True)
class ResidualKmeansTokenizer:
  """Codebooks in the space of the embeddings; see `tokenizer.Tokenizer`.

  Attributes:
    config: sizes.
    modality_sizes: (name, embedding width) of each modality it reads.
    statistics: mean and scale of each modality.
    codebooks: float32 [codebook_size, sum of the widths] per level.
  """

  config: residual_kmeans.ResidualKmeansConfig
  modality_sizes: tuple[tuple[str, int], ...]
  statistics: Mapping[str, inputs.Statistics]
  codebooks: tuple[np.ndarray, ...]

  @property
  def codebook_sizes(self) -> tuple[int, ...]:
    """Codes per level, without the disambiguation code."""
    return self.config.codebook_sizes

  @functools.cached_property
  def _on_device(self):
    """Statistics and codebooks, moved once for all batches."""
    statistics = {
        name: (figures.mean, figures.scale)
        for name, figures in self.statistics.items()
    }
    return jax.tree.map(jax.numpy.asarray, (statistics, self.codebooks))

  def assign(
      self, embeddings: tokenizers.Embeddings, present: tokenizers.Present
  ) -> tuple[jax.Array, jax.Array]:
    """Gives codes and errors of a batch; see `tokenizer.Tokenizer.assign`."""
    return _assign(self.modality_sizes, *self._on_device, embeddings, present)

  def last_level_distances(
      self, embeddings: tokenizers.Embeddings, present: tokenizers.Present
  ) -> jax.Array:
    """Distances; see `tokenizer.Tokenizer.last_level_distances`."""
    return _last_level_distances(
        self.modality_sizes, *self._on_device, embeddings, present
    )

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes the tokenizer as a folder; see `tokenizer_files.write`."""
    tensors = {
        f'{kind}_{name}': np.asarray(getattr(figures, kind))
        for name, figures in self.statistics.items()
        for kind in ('mean', 'scale')
    }
    for level, codebook in enumerate(self.codebooks, start=1):
      tensors[f'codebook_{level}'] = codebook
    tokenizer_files.write(
        directory,
        tokenizer_files.SavedTokenizer(
            kind=KIND,
            config=dataclasses.asdict(self.config),
            modality_sizes=self.modality_sizes,
            tensors=tensors,
        ),
    )


def load(
    directory: str | os.PathLike[str], saved: tokenizer_files.SavedTokenizer
) -> ResidualKmeansTokenizer:
  """Makes the tokenizer from its files.

  Args:
    directory: the folder, for messages.
    saved: what was read from it.

  Returns:
    The tokenizer; it gives the same codes as before.

  Raises:
    InputError: the configuration is none, or the codebooks are other ones than
      it asks for.
  """
  try:
    config = residual_kmeans.ResidualKmeansConfig(**saved.config)
  except TypeError as error:
    raise tokenizer_files.unreadable(directory, str(error)) from error
  width = sum(size for _, size in saved.modality_sizes)
  expected: dict[str, tuple[int, ...]] = {
      f'codebook_{level}': (size, width)
      for level, size in enumerate(config.codebook_sizes, start=1)
  }
  for name, size in saved.modality_sizes:
    expected |= {f'mean_{name}': (size,), f'scale_{name}': ()}
  tokenizer_files.check_shapes(directory, expected, saved.tensors)
  tensors = saved.tensors
  return ResidualKmeansTokenizer(
      config,
      saved.modality_sizes,
      {
          name: inputs.Statistics(
              tensors[f'mean_{name}'], np.float32(tensors[f'scale_{name}'])
          )
          for name, _ in saved.modality_sizes
      },
      tuple(
          tensors[f'codebook_{level + 1}']
          for level in range(len(config.codebook_sizes))
      ),
  )
