# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The models of a run that are evaluated, and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import Any

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import lineage
from plum_jax.stages.run_directory import RunDirectory

GENERATIVE, TITLES = 'generative', 'generative_titles'
SASREC, LEM, BPR_MF = 'sasrec', 'lem', 'bpr_mf'
POPULARITY = 'popularity'
BIASED_MF = 'biased_mf'
GENERATORS = (GENERATIVE, TITLES)
_SEMANTIC_IDS = 'semantic_ids'


def folder(folders: RunDirectory, name: str) -> pathlib.Path | None:
  """Returns where a model lies; None if nothing was trained for it.

  Args:
    folders: of the run.
    name: the model's.
  """
  return {
      GENERATIVE: folders.training,
      TITLES: folders.training,
      SASREC: folders.sasrec,
      LEM: folders.lem,
      BPR_MF: folders.bpr_mf,
      BIASED_MF: folders.biased_mf,
  }.get(name)


def inputs(folders: RunDirectory, name: str) -> dict[str, pathlib.Path]:
  """Names what a model is and was made from, and checks that it still is.

  Args:
    folders: of the run.
    name: the model's.

  Returns:
    Artifacts by role, the catalog not always among them.

  Raises:
    InputError: an artifact is missing, or the model was made with another one
      than that in the run directory.
  """
  made = folder(folders, name)
  if made is None:
    return {'catalog': folders.catalog}
  needs = _needs(folders, name)
  for role, path in needs.items():
    if role == _SEMANTIC_IDS:
      # Items may have been added since: all others have the same SIDs.
      lineage.check_input(made, role, path)
    else:
      manifest.check_input(made, role, path)
  return {made.name: made, **needs}


def _needs(folders: RunDirectory, name: str) -> dict[str, pathlib.Path]:
  if name in GENERATORS:
    return {
        _SEMANTIC_IDS: folders.semantic_ids,
        'vocabulary': folders.vocabulary,
    }
  if name == LEM:
    return _lem_needs(folders)
  return {'catalog': folders.catalog}


def _lem_needs(folders: RunDirectory) -> dict[str, pathlib.Path]:
  """Names what the LEM was made from: a training, if it has its FLOPs."""
  made = manifest.load(folders.lem)
  needs = {'catalog': folders.catalog}
  if made is not None and 'training' in made.inputs:
    needs['training'] = folders.training
  return needs


def split_of_tasks(folders: RunDirectory) -> tuple[str, Mapping[str, Any]]:
  """Returns name and options of the split that the tasks were made with.

  Args:
    folders: of the run.

  Raises:
    InputError: there are no tasks.
  """
  made = manifest.load(folders.tasks)
  if made is None:
    raise InputError(
        'The tasks have no manifest.',
        where=folders.tasks,
        expected=f'a folder with {manifest.FILE_NAME}',
        fix='Run the stage tasks.',
    )
  return made.parameters['split'], made.parameters['split_options']
