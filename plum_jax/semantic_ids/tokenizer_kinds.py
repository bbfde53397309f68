# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""All kinds of tokenizers: what loads each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import os

from plum_jax.semantic_ids import residual_kmeans_tokenizer
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_files

_Loader = Callable[
    [str | os.PathLike[str], tokenizer_files.SavedTokenizer],
    tokenizers.Tokenizer,
]
_LOADERS: Mapping[str, _Loader] = {
    rqvae_tokenizer.KIND: rqvae_tokenizer.load,
    residual_kmeans_tokenizer.KIND: residual_kmeans_tokenizer.load,
}


def load(directory: str | os.PathLike[str]) -> tokenizers.Tokenizer:
  """Reads a saved tokenizer of any kind; it gives the same codes as before.

  Args:
    directory: a folder that `Tokenizer.save` wrote.

  Returns:
    The tokenizer.

  Raises:
    InputError: a file is missing, cannot be read, is of an unknown kind, or
      holds other parameters than its configuration asks for.
  """
  saved = tokenizer_files.read(directory)
  if saved.kind not in _LOADERS:
    raise tokenizer_files.unreadable(directory, f'it is of kind {saved.kind!r}')
  return _LOADERS[saved.kind](directory, saved)
