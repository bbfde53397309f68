# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What every form of checkpoint is read as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
from typing import Any

import jax

from plum_jax.artifacts import manifest as manifests
from plum_jax.networks.config import NetworkConfig

Wanted = Mapping[str, jax.ShapeDtypeStruct]
EMBEDDING = 'token_embedder/embedding'
LOGITS = 'decoder/logits_dense/kernel'
DECODER_ONLY_EMBEDDING = 'decoder/token_embedder/embedding'


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """A checkpoint that has been looked at, and whose arrays can be read.

  Attributes:
    form: what it is, for messages: `a Hugging Face folder`.
    path: where it is.
    arrays: shape and dtype of each parameter, by its name in the trees of
      `networks`, such as `decoder/layers_0/mlp/wo/kernel`.
    read: reads parameters by these names, cast to the wanted dtypes: onto
      `sharding`, no more than a device's own part at a time, or as a NumPy
      array where that is None.
    config: hyper-parameters, where the checkpoint states them.
    sentencepiece: the SentencePiece model that its rows are of, if it is there.
    vocabulary_hash: content hash of the vocabulary that it was trained with, if
      a manifest says so.
    files: the local files that it consists of; none if it is not local.
  """

  form: str
  path: str
  arrays: Mapping[str, jax.ShapeDtypeStruct]
  read: Callable[[Wanted], Mapping[str, Any]]
  config: NetworkConfig | None = None
  sentencepiece: bytes | None = None
  vocabulary_hash: str | None = None
  files: tuple[pathlib.Path, ...] = ()

  @property
  def embedding_name(self) -> str:
    """Name of the table of token embeddings."""
    if EMBEDDING in self.arrays:
      return EMBEDDING
    return DECODER_ONLY_EMBEDDING

  @property
  def num_rows(self) -> int:
    """Rows of the table of token embeddings, padding included."""
    return self.arrays[self.embedding_name].shape[0]

  def content_hash(self) -> str | None:
    """Returns a hash of the files' contents; None if they are not local."""
    if not self.files:
      return None
    return manifests.hash_files(pathlib.Path(self.path), self.files)
