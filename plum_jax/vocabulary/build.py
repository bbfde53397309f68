# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage: from a catalog and a SID table to a vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import logging
import os
import pathlib
from typing import Any

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import stage
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.vocabulary import catalog_text
from plum_jax.vocabulary import layout
from plum_jax.vocabulary import numeric_features as numbers
from plum_jax.vocabulary import text_model

T5_EXTRA_IDS = 100
# The most items whose text a model is trained on; more make training slow and
# the pieces no better.
_MAX_ITEMS = 1_000_000

_LOGGER = logging.getLogger('plum_jax')


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    semantic_ids_directory: str | os.PathLike[str],
    base_model_file: str | os.PathLike[str] = '',
    read_base_model: Callable[[pathlib.Path], bytes] = text_model.read,
    text_vocab_size: int = 8_000,
    extra_ids: int = T5_EXTRA_IDS,
    custom_tokens: Sequence[str] = (),
    general_text: str | os.PathLike[str] = '',
    numeric_features: Sequence[numbers.NumericFeature] = (),
    split: str = 'leave_one_out',
    split_options: Mapping[str, Any] | None = None,
) -> manifests.Manifest:
  """Writes `vocabulary.model`, `vocabulary.json`, `numeric_features.json`.

  The last is left out if there are no numeric features.

  A vocabulary stays when items are added to the SID table: its tokens are
  those of all versions, and generators depend on their numbers.

  Args:
    directory: the vocabulary's folder.
    catalog_directory: whose text is trained on if no model is given.
    semantic_ids_directory: whose SID table says how many codes a level has.
    base_model_file: a SentencePiece model, such as T5's; its pieces keep their
      numbers. One is trained if empty.
    read_base_model: reads the file, where it is of another form.
    text_vocab_size: the most pieces of a trained text model: our choice. A
      small catalog gives fewer.
    extra_ids: number of T5's sentinels.
    custom_tokens: further pieces, after the SID tokens.
    general_text: a file of further text, a sentence a line, that a text model
      is trained on.
    numeric_features: numbers of interactions whose buckets get tokens, after
      the custom tokens.
    split: `leave_one_out` or `by_time`: its training windows say where the
      buckets end.
    split_options: keyword arguments of the split's function.

  Returns:
    The manifest of the vocabulary that is now there.

  Raises:
    InputError: an input is missing or unusable; see `text_model`.
  """
  catalog_directory = pathlib.Path(catalog_directory)
  table_file = pathlib.Path(semantic_ids_directory) / TABLE_FILE
  inputs = {'semantic_ids': table_file}
  if base_model_file:
    inputs['base_model'] = pathlib.Path(base_model_file)
  elif general_text:
    inputs['general_text'] = pathlib.Path(general_text)
  if numeric_features or not base_model_file:
    inputs['catalog'] = catalog_directory

  def make(folder: pathlib.Path, work: pathlib.Path) -> None:
    del work
    if base_model_file:
      base = read_base_model(pathlib.Path(base_model_file))
    else:
      sentences = _sentences(catalog_directory, general_text)
      base = text_model.train(sentences, text_vocab_size)
    buckets = ()
    if numeric_features:
      histories = Catalog.load(catalog_directory).histories
      windows = splits.make_split(histories, split, split_options)
      buckets = numbers.fit(numeric_features, histories, windows)
      numbers.save(folder, buckets)
    made = layout.VocabularyLayout(
        base_size=text_model.num_pieces(base),
        extra_ids=extra_ids,
        level_sizes=tuple(sid_table.load(table_file).level_sizes),
        custom_tokens=(
            *custom_tokens,
            *(token for of_feature in buckets for token in of_feature.tokens),
        ),
        sid_table_hash=manifests.content_hash(table_file),
    )
    write(folder, base, made)
    _log(made)

  parameters = {
      'text_vocab_size': None if base_model_file else text_vocab_size,
      'extra_ids': extra_ids,
      'custom_tokens': list(custom_tokens),
  }
  if numeric_features:
    parameters |= {
        'numeric_features': [dataclasses.asdict(f) for f in numeric_features],
        'split': split,
        'split_options': dict(split_options or {}),
    }
  kept = _of_earlier_version(
      pathlib.Path(directory),
      semantic_ids_directory,
      base_model_file,
      parameters,
  )
  if kept is not None:
    return kept
  return stage.run(
      'vocabulary', directory, make, inputs=inputs, parameters=parameters
  )


def _sentences(
    catalog_directory: pathlib.Path, general_text: str | os.PathLike[str]
) -> Iterator[str]:
  """Yields what a text model is trained on."""
  items = Catalog.load(catalog_directory).items
  yield from catalog_text.sentences(items, _MAX_ITEMS)
  if general_text:
    with open(general_text, encoding='utf-8') as file:
      for line in file:
        yield line.rstrip('\n')


def _log(made: layout.VocabularyLayout) -> None:
  _LOGGER.info(
      'vocabulary: %s text pieces, %s SID tokens in %d levels, %s in all',
      f'{made.base_size:,}',
      f'{sum(made.level_sizes):,}',
      len(made.level_sizes),
      f'{made.vocab_size:,}',
  )


def _of_earlier_version(
    directory: pathlib.Path,
    semantic_ids_directory: str | os.PathLike[str],
    base_model_file: str | os.PathLike[str],
    parameters: dict[str, Any],
) -> manifests.Manifest | None:
  """Returns a vocabulary's manifest if the SID table has grown since."""
  made = manifests.load(directory) if directory.exists() else None
  if made is None or dict(made.parameters) != parameters:
    return None
  base_model = (
      manifests.content_hash(base_model_file) if base_model_file else None
  )
  table = made.inputs.get('semantic_ids')
  if (
      made.inputs.get('base_model') != base_model
      or table
      == manifests.content_hash(
          pathlib.Path(semantic_ids_directory) / TABLE_FILE
      )
      or not lineage.are_versions(semantic_ids_directory, table)
  ):
    return None
  _LOGGER.info(
      'vocabulary: kept, its SID tokens are those of the grown table (%s)',
      directory,
  )
  return made


def write(
    directory: pathlib.Path,
    base_model: bytes,
    made: layout.VocabularyLayout,
) -> None:
  """Writes a vocabulary's two files into a folder that exists.

  Args:
    directory: where.
    base_model: the text model, a serialized `ModelProto` of `made.base_size`
      pieces.
    made: the layout.

  Raises:
    InputError: a custom token cannot be one; see `text_model.extend`.
  """
  model = text_model.extend(
      base_model,
      extra_ids=made.extra_ids,
      level_sizes=made.level_sizes,
      custom_tokens=made.custom_tokens,
  )
  (directory / layout.MODEL_FILE).write_bytes(model)
  made.save(directory)
