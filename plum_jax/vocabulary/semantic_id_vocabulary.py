# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The vocabulary as SeqIO sees it."""

from __future__ import annotations

import os
import pathlib

import seqio
from seqio import vocabularies

from plum_jax.artifacts.errors import InputError
from plum_jax.vocabulary import layout
from plum_jax.vocabulary import sid_tokens

# When each model file that this process has loaded was written.
_WRITTEN: dict[str, int] = {}


class SemanticIdVocabulary(seqio.SentencePieceVocabulary):
  """A SentencePiece vocabulary that knows which ids are SID tokens.

  Encoding and decoding, in Python and in TensorFlow, are SeqIO's own: the file
  `vocabulary.model` serves `seqio.SentencePieceVocabulary(file, extra_ids=0)`
  as well. The sentinels are in the file, so `extra_ids` is 0 here.

  Two vocabularies are equal if they are of the same folder and layout.
  """

  def __init__(self, directory: str | os.PathLike[str]):
    """Reads a vocabulary's layout; the model is loaded when first used.

    Args:
      directory: what the stage `vocabulary` made.

    Raises:
      InputError: the folder holds no vocabulary.
    """
    self.layout = layout.VocabularyLayout.load(directory)
    file = pathlib.Path(directory).resolve() / layout.MODEL_FILE
    if not file.is_file():
      raise InputError(
          'The SentencePiece model of the vocabulary does not exist.',
          where=file,
          expected='the file that the stage vocabulary writes',
          fix='Run the stage vocabulary again.',
      )
    _forget_if_rewritten(file)
    super().__init__(str(file))

  @property
  def sid_tokens(self) -> sid_tokens.SidTokens:
    """Where the SID tokens lie."""
    return self.layout.sid_tokens

  @property
  def padded_vocab_size(self) -> int:
    """The number of rows of an embedding table for this vocabulary."""
    return self.layout.padded_vocab_size


def _forget_if_rewritten(file: pathlib.Path) -> None:
  """Lets SeqIO read a file again that it has read before it was made anew.

  It keeps models by their path for the life of the process.
  """
  written = file.stat().st_mtime_ns
  if _WRITTEN.setdefault(str(file), written) != written:
    vocabularies._load_model_internal.cache_clear()  # noqa: SLF001
    _WRITTEN[str(file)] = written
