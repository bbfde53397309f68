# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether the parts that a recommendation needs belong together."""

from __future__ import annotations

import dataclasses
import pathlib

import pyarrow as pa

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import sid_table_file
from plum_jax.semantic_ids.sid_table import SidTable
from plum_jax.vocabulary import layout as layouts
from plum_jax.vocabulary.layout import VocabularyLayout

TOKENIZER_FOLDER = 'tokenizer'
_ITEM_EMBEDDINGS = 'item_embeddings'


@dataclasses.dataclass(frozen=True)
class Parts:
  """Where the parts are: in a run directory, or in a bundle.

  Attributes:
    semantic_ids: tokenizer and SID table, with the manifest of their stage.
    vocabulary: the vocabulary.
    generator: a folder with the manifest of the generator's training.
    items: a Parquet file with the column `item_id`.
    item_encoder: a folder with the manifest of the item embeddings.
  """

  semantic_ids: pathlib.Path
  vocabulary: pathlib.Path
  generator: pathlib.Path
  items: pathlib.Path
  item_encoder: pathlib.Path

  @property
  def table(self) -> pathlib.Path:
    """The SID table's file."""
    return self.semantic_ids / sid_table_file.FILE_NAME


def check(
    parts: Parts, item_ids: pa.Array
) -> tuple[SidTable, VocabularyLayout]:
  """Refuses parts that were made from different things.

  Args:
    parts: where they are.
    item_ids: strings [num_items], of `parts.items`.

  Returns:
    The SID table and the layout of the vocabulary.

  Raises:
    InputError: a part is missing or cannot be read; or two do not belong
      together, which are named.
  """
  table = sid_table.load(
      parts.table, tokenizer_directory=parts.semantic_ids / TOKENIZER_FOLDER
  )
  layout = VocabularyLayout.load(parts.vocabulary)
  layout_file = parts.vocabulary / layouts.LAYOUT_FILE
  known = lineage.hashes(parts.semantic_ids)
  if (
      layout.sid_table_hash not in known
      or layout.level_sizes != table.level_sizes
  ):
    raise _refuse(
        'The vocabulary was made for another SID table.',
        layout_file,
        parts.table,
        f'the content hash of that table or of an earlier version of it, got '
        f'{layout.sid_table_hash}; levels {table.level_sizes}, got '
        f'{layout.level_sizes}',
    )
  # Items may have been added since: all others have the same SIDs.
  lineage.check_input(parts.generator, 'semantic_ids', parts.semantic_ids)
  manifest.check_input(parts.generator, 'vocabulary', parts.vocabulary)
  if not table.item_ids.equals(item_ids.cast(pa.string())):
    raise _refuse(
        'The SID table is of other items, or has them in another order.',
        parts.table,
        parts.items,
        'one row for each item, in the same order',
    )
  _check_encoder(parts)
  return table, layout


def _check_encoder(parts: Parts) -> None:
  """Refuses another item encoder than that of the SID table's embeddings."""
  encoder = manifest.load(parts.item_encoder)
  made = manifest.load(parts.semantic_ids)
  recorded = None if made is None else made.inputs.get(_ITEM_EMBEDDINGS)
  found = None if encoder is None else encoder.outputs
  if found is None or recorded != found:
    raise _refuse(
        'The Semantic IDs were made from other item embeddings.',
        parts.semantic_ids / manifest.FILE_NAME,
        parts.item_encoder / manifest.FILE_NAME,
        f'content hash {recorded}, got {found}',
    )


def _refuse(
    what: str, one: pathlib.Path, other: pathlib.Path, expected: str
) -> InputError:
  return InputError(
      what,
      where=f'{one} and {other}',
      expected=expected,
      fix='Take all parts from one run directory in which every stage is up '
      'to date.',
  )
