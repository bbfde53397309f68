# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained tokenizer: items' embeddings in, codes out; saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any, Protocol

import flax.traverse_util
import jax
import numpy as np
import safetensors.numpy

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import rqvae

CONFIG_FILE = 'config.json'
PARAMETERS_FILE = 'parameters.safetensors'
_KIND = 'rqvae'


class Tokenizer(Protocol):
  """What assignment asks of any tokenizer, whatever it learned by."""

  @property
  def codebook_sizes(self) -> tuple[int, ...]:
    """Codes per level, without the disambiguation code."""
    ...

  @property
  def modality_sizes(self) -> tuple[tuple[str, int], ...]:
    """(name, embedding width) of each modality it reads."""
    ...

  def assign(
      self, embeddings: rqvae.Embeddings, present: rqvae.Present
  ) -> tuple[jax.Array, jax.Array]:
    """Gives codes and errors of a batch; see `rqvae.Rqvae.assign`."""
    ...


# The module is built inside: its sizes compare fast and safely as a key of the
# compilation cache, Linen modules do not.
@functools.partial(jax.jit, static_argnums=(0, 1))
def _assign(config, modality_sizes, variables, embeddings, present):
  module = rqvae.Rqvae(config, modality_sizes)
  # A frozen tokenizer gives the same codes on machines whose default product
  # is of lower precision.
  with jax.default_matmul_precision('highest'):
    return module.apply(variables, embeddings, present, method='assign')


@dataclasses.dataclass(frozen=True)
class RqvaeTokenizer:
  """A trained RQ-VAE.

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
      self, embeddings: rqvae.Embeddings, present: rqvae.Present
  ) -> tuple[jax.Array, jax.Array]:
    """Gives codes and reconstruction errors of a batch.

    Args:
      embeddings: [batch, dim] per modality.
      present: bool [batch] per modality.

    Returns:
      Codes int32 [batch, num_levels]; squared reconstruction errors from the
      first 1, 2, ... levels, [batch, num_levels].
    """
    return _assign(
        self.module.config,
        self.modality_sizes,
        self.variables,
        embeddings,
        present,
    )

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes the tokenizer as a folder.

    The files hold nothing but numbers and sizes, no time and no path, so that
    the same training gives the same bytes and thus the same hash.

    Args:
      directory: the folder to appear; an older one is replaced.
    """
    config = {
        'kind': _KIND,
        'config': dataclasses.asdict(self.module.config),
        'modality_sizes': self.module.modality_sizes,
    }
    flat = flax.traverse_util.flatten_dict(dict(self.variables), sep='/')
    tensors = {name: np.array(v, order='C') for name, v in flat.items()}
    with atomic.write_directory(directory) as temporary:
      (temporary / CONFIG_FILE).write_text(
          json.dumps(config, indent=2, sort_keys=True) + '\n', encoding='utf-8'
      )
      safetensors.numpy.save_file(tensors, temporary / PARAMETERS_FILE)


def load(directory: str | os.PathLike[str]) -> RqvaeTokenizer:
  """Reads a saved tokenizer; it gives the same codes as before.

  Args:
    directory: a folder that `save` wrote.

  Returns:
    The tokenizer.

  Raises:
    InputError: a file is missing, cannot be read, or holds other parameters
      than its configuration asks for.
  """
  directory = pathlib.Path(directory)
  try:
    saved = json.loads((directory / CONFIG_FILE).read_text(encoding='utf-8'))
    tensors = safetensors.numpy.load_file(directory / PARAMETERS_FILE)
  except (OSError, ValueError, safetensors.SafetensorError) as error:
    raise _unreadable(directory, str(error)) from error
  try:
    if saved['kind'] != _KIND:
      raise ValueError(f'it is of kind {saved["kind"]!r}')
    module = rqvae.Rqvae(
        config=rqvae.RqvaeConfig(**saved['config']),
        modality_sizes=tuple(
            (str(name), int(size)) for name, size in saved['modality_sizes']
        ),
    )
  except (KeyError, TypeError, ValueError) as error:
    raise _unreadable(directory / CONFIG_FILE, str(error)) from error
  shapes: dict[str, Any] = flax.traverse_util.flatten_dict(
      variable_shapes(module), sep='/'
  )
  expected = {name: tuple(leaf.shape) for name, leaf in shapes.items()}
  found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
  if expected != found:
    differing = sorted(dict(expected.items() ^ found.items()))
    raise _unreadable(
        directory / PARAMETERS_FILE,
        f'these parameters are not as {CONFIG_FILE} says: '
        f'{", ".join(differing[:5])}',
    )
  variables = flax.traverse_util.unflatten_dict(tensors, sep='/')
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


def tokenizer_hash(directory: str | os.PathLike[str]) -> str:
  """Returns the hash that ties a SID table to its tokenizer."""
  return manifest.content_hash(directory)


def _unreadable(where: pathlib.Path, reason: str) -> InputError:
  return InputError(
      f'The tokenizer cannot be read: {reason}.',
      where=where,
      expected=f'{CONFIG_FILE} and {PARAMETERS_FILE} as a tokenizer saves them',
      fix='Run the stage semantic_ids again, or correct the path.',
  )
