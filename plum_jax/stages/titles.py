# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The titles of a run's items, for a generator that writes titles."""

from __future__ import annotations

import pathlib

import sentencepiece

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.decoding.title_trie import build_title_trie
from plum_jax.decoding.title_trie import TitleTrie
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary.layout import MODEL_FILE


def load_title_trie(
    folders: RunDirectory, max_tokens: int | None = None
) -> TitleTrie:
  """Builds the trie of the titles of a run's items.

  Args:
    folders: with `catalog/` and `vocabulary/`.
    max_tokens: longer titles are cut, as tasks cut them that a model has learnt
      to write titles from; None for whole titles.

  Returns:
    The trie, over text pieces of the vocabulary, with item numbers.

  Raises:
    InputError: an artifact is missing, or an item has no title.
  """
  catalog = Catalog.load(folders.catalog)
  path = pathlib.Path(folders.vocabulary) / MODEL_FILE
  processor = sentencepiece.SentencePieceProcessor()
  try:
    processor.LoadFromSerializedProto(path.read_bytes())
  except (OSError, RuntimeError) as error:
    raise InputError(
        f'The text pieces cannot be read: {error}',
        where=path,
        expected='the file that the stage vocabulary writes',
        fix='Run the stage vocabulary.',
    ) from error
  titles = processor.encode(catalog.titles, out_type=int)
  try:
    return build_title_trie(
        [title[:max_tokens] for title in titles],
        eos_id=processor.eos_id(),
        item_names=catalog.item_ids,
    )
  except ValueError as error:
    raise InputError(
        str(error),
        where=f'{folders.catalog}, items, column title',
        expected='a title of one text piece at least for every item',
        fix='Give these items titles, or recommend by Semantic IDs.',
    ) from error
