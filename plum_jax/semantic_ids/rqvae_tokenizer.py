# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained RQ-VAE as a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools
import os
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from plum_jax.semantic_ids import codebooks
from plum_jax.semantic_ids import residual_quantizer
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_files

KIND = 'rqvae'


# The module is built inside: its sizes compare fast and safely as a key of the
# compilation cache, Linen modules do not.
@functools.partial(jax.jit, static_argnums=(0, 1))
def _assign(config, modality_sizes, variables, embeddings, present):
  module = rqvae.Rqvae(config, modality_sizes)
  # A frozen tokenizer gives the same codes on machines whose default product
  # is of lower precision.
  with jax.default_matmul_precision('highest'):
    return module.apply(variables, embeddings, present, method='assign')


@functools.partial(jax.jit, static_argnums=(0, 1))
def _last_level_distances(
    config, modality_sizes, variables, embeddings, present
):
  module = rqvae.Rqvae(config, modality_sizes)
  with jax.default_matmul_precision('highest'):
    z: Any = module.apply(variables, embeddings, present, method='encode')
    return residual_quantizer.last_level_distances(
        z, codebooks.of(variables['params'])
    )


@dataclasses.dataclass(frozen=True)
class RqvaeTokenizer:
  """A trained RQ-VAE; see `tokenizer.Tokenizer`.

  Attributes:
    module: the Linen module.
    variables: its collections `params` and `statistics`.
  """

  module: rqvae.Rqvae
  variables: Mapping[str, Any]

  @property
  def codebook_sizes(self) -> tuple[int, ...]:
    """Codes per level, without the disambiguation code."""
    return self.module.config.codebook_sizes

  @property
  def modality_sizes(self) -> tuple[tuple[str, int], ...]:
    """(name, embedding width) of each modality it reads."""
    return self.module.modality_sizes

  def assign(
      self, embeddings: tokenizers.Embeddings, present: tokenizers.Present
  ) -> tuple[jax.Array, jax.Array]:
    """Gives codes and errors of a batch; see `tokenizer.Tokenizer.assign`."""
    return _assign(
        self.module.config,
        self.modality_sizes,
        self.variables,
        embeddings,
        present,
    )

  def last_level_distances(
      self, embeddings: tokenizers.Embeddings, present: tokenizers.Present
  ) -> jax.Array:
    """Distances; see `tokenizer.Tokenizer.last_level_distances`."""
    return _last_level_distances(
        self.module.config,
        self.modality_sizes,
        self.variables,
        embeddings,
        present,
    )

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes the tokenizer as a folder; see `tokenizer_files.write`."""
    flat = flax.traverse_util.flatten_dict(dict(self.variables), sep='/')
    tokenizer_files.write(
        directory,
        tokenizer_files.SavedTokenizer(
            kind=KIND,
            config=dataclasses.asdict(self.module.config),
            modality_sizes=self.modality_sizes,
            tensors={str(name): np.asarray(v) for name, v in flat.items()},
        ),
    )


def load(
    directory: str | os.PathLike[str], saved: tokenizer_files.SavedTokenizer
) -> RqvaeTokenizer:
  """Makes the tokenizer from its files.

  Args:
    directory: the folder, for messages.
    saved: what was read from it.

  Returns:
    The tokenizer; it gives the same codes as before.

  Raises:
    InputError: the configuration is none, or the parameters are other ones
      than it asks for.
  """
  try:
    config = rqvae.RqvaeConfig(**saved.config)
  except TypeError as error:
    raise tokenizer_files.unreadable(directory, str(error)) from error
  module = rqvae.Rqvae(config, saved.modality_sizes)
  shapes: dict[str, Any] = flax.traverse_util.flatten_dict(
      variable_shapes(module), sep='/'
  )
  tokenizer_files.check_shapes(
      directory,
      {name: leaf.shape for name, leaf in shapes.items()},
      saved.tensors,
  )
  variables = flax.traverse_util.unflatten_dict(dict(saved.tensors), sep='/')
  return RqvaeTokenizer(module, jax.tree.map(jax.numpy.asarray, variables))


def variable_shapes(module: rqvae.Rqvae) -> dict[str, Any]:
  """Returns the shapes of `params` and `statistics`, computing nothing."""
  embeddings = {
      name: jax.ShapeDtypeStruct((1, size), np.float32)
      for name, size in module.modality_sizes
  }
  present = {
      name: jax.ShapeDtypeStruct((1,), np.bool_)
      for name, _ in module.modality_sizes
  }
  variables = jax.eval_shape(
      module.init, jax.random.key(0), embeddings, present
  )
  return {name: variables[name] for name in ('params', 'statistics')}
