# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage `assign_semantic_ids`: SIDs for new items, the tokenizer frozen."""

from __future__ import annotations

import logging
import os
import pathlib
import shutil

import jax

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import catalog_items
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import extend
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import metrics_log
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer_kinds

_LOGGER = logging.getLogger('plum_jax')


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    embeddings_directory: str | os.PathLike[str],
    previous_directory: str | os.PathLike[str] = '',
    mesh: jax.sharding.Mesh | None = None,
) -> manifest.Manifest:
  """Gives the items that are new in a catalog their Semantic IDs.

  Old items keep theirs, see `extend.extend`. The folder is replaced at once,
  when all is finished; killed at any moment, the old one is still whole.
  Nothing is done if catalog and embeddings are those that the folder was made
  from.

  Args:
    directory: the folder `semantic_ids/`; it will have the same tokenizer, the
      next version of the table, and the quality of all its codes.
    catalog_directory: the catalog as it is now.
    embeddings_directory: of its items, a row per item.
    previous_directory: a folder `semantic_ids/` with tokenizer and table to
      start from; empty for `directory` itself. Once `directory` has grown out
      of it, that goes on growing.
    mesh: the mesh to assign on; None for one device.

  Returns:
    The manifest of what is there now.

  Raises:
    InputError: there is no earlier table; table and tokenizer do not belong
      together; `directory` has a table that did not grow out of the previous
      one; the embeddings are of other modalities or widths than the tokenizer
      was trained on, or do not fit the catalog; or see `extend.extend`.
  """
  directory = pathlib.Path(directory)
  previous = _previous(directory, pathlib.Path(previous_directory or directory))
  items_path = pathlib.Path(catalog_directory) / catalog_items.ITEMS_FILE
  sources = {
      'items': items_path,
      'item_embeddings': pathlib.Path(embeddings_directory),
      'previous': previous,
  }
  made = lineage.load(previous)
  if previous == directory and lineage.made_from(made, sources):
    _LOGGER.info('%s: up to date, skipped (%s)', lineage.STAGE, directory)
    return made

  def make(output: pathlib.Path, work: pathlib.Path) -> None:
    del work
    _fill(output, previous, items_path, embeddings_directory, mesh)

  return stage.run(
      lineage.STAGE,
      directory,
      make,
      inputs=sources,
      parameters=lineage.parameters_of_next(previous, made),
      seed=made.seed,
  )


def _previous(directory: pathlib.Path, wanted: pathlib.Path) -> pathlib.Path:
  """Decides whether to go on from the folder's own table."""
  if directory.resolve() == wanted.resolve():
    return directory
  if not directory.exists():
    return wanted
  if manifest.content_hash(wanted) in lineage.hashes(directory):
    return directory
  raise InputError(
      f'{directory} has a SID table that did not grow out of {wanted}.',
      where='PREVIOUS_SEMANTIC_IDS',
      expected=f'a run without {directory.name}, or an empty path to add items '
      'to its own table',
      fix='Leave it empty, choose another RUN_DIR, or delete the folder.',
  )


def _fill(
    output: pathlib.Path,
    previous: pathlib.Path,
    items_path: pathlib.Path,
    embeddings_directory: str | os.PathLike[str],
    mesh: jax.sharding.Mesh | None,
) -> None:
  """Makes everything that the stage leaves, in the folder `output`."""
  tokenizer_folder = previous / semantic_ids.TOKENIZER_FOLDER
  table = sid_table.load(
      previous / semantic_ids.TABLE_FILE, tokenizer_directory=tokenizer_folder
  )
  tokenizer = tokenizer_kinds.load(tokenizer_folder)
  embeddings = inputs.load(
      embeddings_directory, [name for name, _ in tokenizer.modality_sizes]
  )
  item_ids = catalog_items.read_item_ids(items_path)
  catalog_items.check_same_items(
      item_ids, items_path, embeddings, embeddings_directory
  )
  # Those of old items only for the reconstruction errors.
  assignment = assign.assign(tokenizer, embeddings, mesh=mesh)
  grown = extend.extend(
      table,
      item_ids,
      assignment.codes,
      next_codes=collisions.choices_of(tokenizer, embeddings, mesh=mesh),
  )
  shutil.copytree(tokenizer_folder, output / semantic_ids.TOKENIZER_FOLDER)
  semantic_ids.write_table(
      output, grown, assignment.reconstruction_errors, embeddings
  )
  log = previous / metrics_log.FILE_NAME
  if log.exists():
    shutil.copyfile(log, output / metrics_log.FILE_NAME)
