# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Text pieces and SID tokens to one vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from plum_jax.data import general_text
from plum_jax.pretrained import gguf_reader
from plum_jax.pretrained import published
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary import build
from plum_jax.vocabulary import text_model
from plum_jax.vocabulary.layout import VocabularyLayout
from plum_jax.vocabulary.numeric_features import NumericFeature


def run(
    run_dir: str,
    base_model_file: str,
    text_vocab_size: int,
    with_general_text: bool = False,
    numeric_features: Sequence[NumericFeature] = (),
    split: str = 'leave_one_out',
    split_options: Mapping[str, Any] | None = None,
    extra_ids: int = build.T5_EXTRA_IDS,
) -> None:
  """Writes `vocabulary/` from `catalog/` and `semantic_ids/`.

  Args:
    run_dir: the run directory.
    base_model_file: a SentencePiece model to extend, or a language model that
      comes with one: a GGUF file, a Hugging Face folder or a name in
      `pretrained.published.MODELS`; trained if empty.
    text_vocab_size: the most pieces of a trained model.
    with_general_text: whether a model is trained on `general_text/`, too.
    numeric_features: numbers of interactions that get tokens.
    split: `leave_one_out` or `by_time`, whose training windows they are read
      from.
    split_options: keyword arguments of the split; see `catalog.splits`.
    extra_ids: number of T5's sentinels; 0 for a model that has none.

  Raises:
    InputError: see `vocabulary.build.build` and `pretrained.published`.
  """
  folders = RunDirectory(run_dir)
  general = folders.general_text / general_text.TRAIN_FILE
  build.build(
      folders.vocabulary,
      catalog_directory=folders.catalog,
      semantic_ids_directory=folders.semantic_ids,
      base_model_file=(
          published.text_model_file(base_model_file) if base_model_file else ''
      ),
      read_base_model=_read,
      text_vocab_size=text_vocab_size,
      general_text=general if with_general_text else '',
      numeric_features=numeric_features,
      split=split,
      split_options=split_options,
      extra_ids=extra_ids,
  )


def sid_token_range(run_dir: str) -> tuple[int, int]:
  """Returns the first SID token of the run's vocabulary, and one past the last.

  Args:
    run_dir: the run directory, with `vocabulary/`.

  Raises:
    InputError: there is no vocabulary yet.
  """
  tokens = VocabularyLayout.load(RunDirectory(run_dir).vocabulary).sid_tokens
  return tokens.first_id, tokens.end_id


def _read(path: pathlib.Path) -> bytes:
  """Reads a SentencePiece model, in a file of its own or a GGUF file."""
  if path.suffix == gguf_reader.SUFFIX and path.is_file():
    return text_model.checked(gguf_reader.read_sentencepiece(path), path)
  return text_model.read(path)


def padded_vocab_size(run_dir: str) -> int:
  """Returns the rows of an embedding table for the run's vocabulary.

  Args:
    run_dir: the run directory, with `vocabulary/`.

  Raises:
    InputError: there is no vocabulary yet.
  """
  layout = VocabularyLayout.load(RunDirectory(run_dir).vocabulary)
  return layout.padded_vocab_size
