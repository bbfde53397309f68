# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which SID table grew out of which, and what follows for other artifacts.

A table to which items were added gives all earlier items the same SIDs. So
what was made with an earlier version (vocabulary, generator) goes with it,
although its content hash is another one. The manifest of a folder
`semantic_ids/` with such a table names the hashes of all earlier versions.
"""

from __future__ import annotations

from collections.abc import Mapping
import logging
import os
import pathlib
from typing import Any

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import sid_table_file

STAGE = 'assign_semantic_ids'
_EARLIER = 'earlier_versions'
# What the SIDs of all items are made from.
_ROLES = ('items', 'item_embeddings')
_LOGGER = logging.getLogger('plum_jax')


def load(directory: str | os.PathLike[str]) -> manifest.Manifest:
  """Reads the manifest of a folder that a table is to grow out of.

  Args:
    directory: a folder `semantic_ids/`.

  Returns:
    The manifest. Its seed is that of the tokenizer's training.

  Raises:
    InputError: the folder is not there or not finished.
  """
  made = manifest.load(directory)
  if made is None:
    raise InputError(
        'There is no earlier SID table.',
        where=directory,
        expected='a folder that the stage semantic_ids made',
        fix='Run the stage semantic_ids first, or correct '
        'PREVIOUS_SEMANTIC_IDS.',
    )
  return made


def parameters_of_next(
    previous: str | os.PathLike[str], made: manifest.Manifest
) -> dict[str, Any]:
  """Makes the parameters in the manifest of a table that grows out of another.

  Args:
    previous: the other's folder.
    made: its manifest.

  Returns:
    Those that the tokenizer was trained with, and `earlier_versions`: a list,
    oldest first, with the content hashes of folder and table of each.
  """
  version = {
      'semantic_ids': manifest.content_hash(previous),
      'table': manifest.content_hash(
          pathlib.Path(previous) / sid_table_file.FILE_NAME
      ),
  }
  earlier = made.parameters.get(_EARLIER, [])
  return {**made.parameters, _EARLIER: [*earlier, version]}


def hashes(directory: str | os.PathLike[str]) -> set[str]:
  """Lists what names a table, or one that it grew out of.

  Args:
    directory: a folder `semantic_ids/`.

  Returns:
    The content hashes of the folder and of its table, of this version and all
    earlier ones.

  Raises:
    InputError: there is no such folder, or it has no table.
  """
  directory = pathlib.Path(directory)
  found = {
      manifest.content_hash(directory),
      manifest.content_hash(directory / sid_table_file.FILE_NAME),
  }
  made = manifest.load(directory)
  if made is not None:
    for version in made.parameters.get(_EARLIER, []):
      found |= set(version.values())
  return found


def are_versions(
    directory: str | os.PathLike[str], *content_hashes: str | None
) -> bool:
  """Whether content hashes all name a table, or one that it grew out of.

  Args:
    directory: a folder `semantic_ids/`; it need not be there.
    *content_hashes: of such a folder, or of its table.
  """
  if not (pathlib.Path(directory) / sid_table_file.FILE_NAME).exists():
    return False
  return hashes(directory).issuperset(content_hashes)


def check_input(
    directory: str | os.PathLike[str],
    role: str,
    semantic_ids: str | os.PathLike[str],
) -> None:
  """Refuses a table in which items have other SIDs than an artifact knows.

  As `manifest.check_input`, except that the artifact may have been made with
  an earlier version of the table.

  Args:
    directory: the finished artifact, for example a trained generator.
    role: the input's name in its manifest.
    semantic_ids: the folder `semantic_ids/` that it is to be used with.

  Raises:
    InputError: the artifact has no manifest, or was made with a table that
      this one did not grow out of.
  """
  made = manifest.load(directory)
  if made is not None and made.inputs.get(role) in hashes(semantic_ids):
    return
  manifest.check_input(directory, role, semantic_ids)


def made_from(
    made: manifest.Manifest, inputs: Mapping[str, str | os.PathLike[str]]
) -> bool:
  """Whether a table is of just these items and embeddings.

  Args:
    made: its folder's manifest.
    inputs: paths, at least of the roles `items` and `item_embeddings`.

  Raises:
    InputError: an input is missing.
  """
  return all(
      made.inputs.get(role) == manifest.content_hash(inputs[role])
      for role in _ROLES
  )


def keep_extended(
    directory: str | os.PathLike[str],
    inputs: Mapping[str, str | os.PathLike[str]],
    parameters: Mapping[str, Any],
    seed: int,
) -> manifest.Manifest | None:
  """Sees to it that no new tokenizer takes the place of an extended table.

  Args:
    directory: the folder `semantic_ids/` that a new one is to take the place
      of.
    inputs: what the new one would be made from.
    parameters: how, as JSON values.
    seed: of all that is random.

  Returns:
    The manifest of the extended table if it is of these inputs and its
    tokenizer was trained so; None if there is no extended table.

  Raises:
    InputError: there is one, and it is of other items or was made otherwise.
  """
  directory = pathlib.Path(directory)
  made = manifest.load(directory) if directory.exists() else None
  if made is None:
    return None
  same_inputs = made_from(made, inputs)
  trained = {k: v for k, v in made.parameters.items() if k != _EARLIER}
  same_training = trained == dict(parameters) and made.seed == seed
  if made.stage != STAGE:
    if same_training and not same_inputs:
      _LOGGER.warning(
          'semantic_ids: the catalog or its embeddings have changed. A new '
          'tokenizer gives all items other SIDs; with %s they would have kept '
          'them.',
          STAGE,
      )
    return None
  if same_inputs and same_training:
    _LOGGER.info('semantic_ids: up to date, items were added (%s)', directory)
    return made
  raise InputError(
      'Items were added to this SID table. A new tokenizer would give all '
      'items other SIDs, of no use to what was trained on these.',
      where=directory,
      expected='the '
      + ('tokenizer settings' if same_inputs else 'items and embeddings')
      + f' that {directory / manifest.FILE_NAME} names',
      fix=f'Add further items by python -m plum_jax.launch.{STAGE}. To train '
      'anew, choose another RUN_DIR, or delete the folder.',
  )
