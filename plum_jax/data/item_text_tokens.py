# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Texts of items (or users) as tokens, made once and looked up in the graph.

Prompts put titles, genres and the like between SID tokens. A text is encoded
once for each catalog and vocabulary, not once for each example: a field becomes
one ragged table, row `i` being item number `i`, that tf.data captures and
gathers rows of.

    tokens = item_text_tokens.load(catalog_directory, vocabulary_directory,
                                   ['title', 'categories'])
    titles = tokens['title'].ragged()            # tf.RaggedTensor, int32
    dataset.map(lambda x: tf.gather(titles, x['item_ids']))

A field is any text column of `items.parquet`, `title` or `categories` (paths
joined as `Films > Drama, Old`). An item without the field has an empty row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import sentencepiece
import tensorflow as tf

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.artifacts.progress import Progress
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.catalog import ITEMS_FILE
from plum_jax.item_embeddings import item_texts
from plum_jax.vocabulary import layout

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
_ROWS_A_TIME = 65_536
_NOT_TEXT = ('item_id', 'first_seen')


@dataclasses.dataclass(frozen=True, eq=False)
class TextTokens:
  """One text per row, as tokens of a vocabulary.

  Attributes:
    values: int32 [num_tokens], the rows one after another.
    row_splits: int64 [num_rows + 1], where each begins.
    content_hash: names what the tokens were made from.
  """

  values: np.ndarray
  row_splits: np.ndarray
  content_hash: str = ''

  def __len__(self) -> int:
    return len(self.row_splits) - 1

  def __getitem__(self, row: int) -> np.ndarray:
    """Returns the tokens of a row, int32 [n]."""
    return self.values[self.row_splits[row] : self.row_splits[row + 1]]

  @property
  def lengths(self) -> np.ndarray:
    """The number of tokens of each row, int64 [num_rows]."""
    return np.diff(self.row_splits)

  def ragged(self) -> tf.RaggedTensor:
    """Returns the table as a tensor that graph functions capture.

    They hold it by reference, not as a constant of their graphs, wherever this
    is called.
    """
    with tf.init_scope():
      return _RaggedTensor.from_row_splits(
          tf.constant(self.values), tf.constant(self.row_splits), validate=False
      )

  def cut(self, max_tokens: int) -> TextTokens:
    """Returns the table with at most so many tokens, the first ones, a row."""
    lengths = np.minimum(self.lengths, max_tokens)
    row_splits = np.concatenate([[0], np.cumsum(lengths)])
    within = np.arange(row_splits[-1]) - np.repeat(row_splits[:-1], lengths)
    return TextTokens(
        self.values[np.repeat(self.row_splits[:-1], lengths) + within],
        row_splits,
        f'{self.content_hash} cut to {max_tokens}',
    )

  def describe(self) -> str:
    """Names the content in the description of a task, for manifests."""
    return self.content_hash


def encode(
    texts: pa.Array | pa.ChunkedArray, model_file: str | os.PathLike[str]
) -> TextTokens:
  """Encodes texts, a null or an empty one to no tokens.

  Args:
    texts: strings [num_rows].
    model_file: a SentencePiece model, such as `vocabulary/vocabulary.model`.

  Returns:
    A row of tokens for each text; no end-of-sequence token.
  """
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(pathlib.Path(model_file).read_bytes())
  reporter = Progress('encode texts', len(texts), 'texts')
  values, lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
  for start in range(0, len(texts), _ROWS_A_TIME):
    rows = texts.slice(start, _ROWS_A_TIME).to_pylist()
    encoded = processor.encode([text or '' for text in rows], out_type=int)
    lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    values += [np.asarray(tokens, np.int32) for tokens in encoded]
    values = [np.concatenate(values)]
    reporter.update(start + len(rows))
  return TextTokens(values[0], np.cumsum(np.concatenate(lengths)))


def join(tables: Sequence[TextTokens]) -> TextTokens:
  """Puts the rows of tables one after another.

  Args:
    tables: at least one, all with the same number of rows.

  Returns:
    A table whose row `i` is row `i` of the first, of the second, and so on.

  >>> one = TextTokens(np.array([1, 2, 3]), np.array([0, 2, 3]))
  >>> two = TextTokens(np.array([4, 5]), np.array([0, 0, 2]))
  >>> both = join([one, two])
  >>> both[0].tolist(), both[1].tolist()
  ([1, 2], [3, 4, 5])
  """
  row_splits = np.concatenate(
      [[0], np.cumsum(sum(table.lengths for table in tables))]
  )
  values = np.empty(row_splits[-1], np.int32)
  begins = row_splits[:-1].copy()
  for table in tables:
    shift = np.repeat(begins - table.row_splits[:-1], table.lengths)
    values[np.arange(len(table.values)) + shift] = table.values
    begins += table.lengths
  return TextTokens(
      values, row_splits, ' + '.join(table.content_hash for table in tables)
  )


def load(
    catalog_directory: str | os.PathLike[str],
    vocabulary_directory: str | os.PathLike[str],
    fields: Sequence[str],
) -> dict[str, TextTokens]:
  """Encodes fields of all items of a catalog.

  A process encodes a field once, until catalog or vocabulary are made anew.

  Args:
    catalog_directory: with `items.parquet`.
    vocabulary_directory: what the stage `vocabulary` made.
    fields: names of columns: `title`, `categories` or a further text field.

  Returns:
    For each field a table with a row per item number.

  Raises:
    InputError: an artifact is missing, or the items have no such field.
  """
  directory = pathlib.Path(catalog_directory)
  model_file = pathlib.Path(vocabulary_directory) / layout.MODEL_FILE
  layout.VocabularyLayout.load(vocabulary_directory)
  if not (directory / ITEMS_FILE).exists():
    Catalog.load(directory)  # Says what is missing.
  hashes = tuple(
      manifests.content_hash(path)
      for path in (directory / ITEMS_FILE, model_file)
  )
  return {
      field: _of_field(str(directory), str(model_file), field, hashes)
      for field in fields
  }


@functools.lru_cache(maxsize=32)
def _of_field(
    catalog_directory: str,
    model_file: str,
    field: str,
    hashes: tuple[str, ...],
) -> TextTokens:
  """Encodes one field; see `load`."""
  items = Catalog.load(catalog_directory).items
  known = [name for name in items.column_names if name not in _NOT_TEXT]
  if field not in known:
    raise InputError(
        f'The items have no text field {field!r}.',
        where=f'{catalog_directory}/{ITEMS_FILE}',
        expected=f'one of {", ".join(known)}',
        fix='Correct the name of the field.',
    )
  texts = item_texts.field_texts(items, field)
  return dataclasses.replace(
      encode(texts, model_file), content_hash=' '.join((field, *hashes))
  )


def phrases(
    texts: Mapping[str, str], model_file: str | os.PathLike[str]
) -> dict[str, np.ndarray]:
  """Encodes the fixed words of a prompt, int32 [n] each, by name."""
  tokens = encode(pa.array(list(texts.values()), pa.string()), model_file)
  return {name: tokens[row] for row, name in enumerate(texts)}
