# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of training in the form that T5X's launcher goes on from."""

from __future__ import annotations

from collections.abc import Mapping
import json
import os
import pathlib
from typing import Any

import orbax.checkpoint as ocp

from plum_jax.artifacts import checkpoint_errors
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError

# Names that T5X gives to what it saves.
PREFIX, _STATE, _DATASET = 'checkpoint_', 'state', 'dataset'
_POSITION = 'train_ds-000-of-001'


def save(
    model_dir: str | os.PathLike[str],
    step: int,
    state: Mapping[str, Any],
    position: Mapping[str, Any],
) -> pathlib.Path:
  """Writes `checkpoint_<step>` as T5X does, whole or not at all.

  Args:
    model_dir: T5X's MODEL_DIR; made if it is not there.
    step: number of finished steps.
    state: arrays by T5X's names, such as `target/decoder/…`.
    position: the input's, as JSON values.

  Returns:
    The folder.

  Raises:
    InputError: a checkpoint is there that T5X would prefer to this one; the
      folder cannot be written.
  """
  directory = pathlib.Path(os.path.abspath(model_dir))
  there = [
      path
      for path in directory.glob(f'{PREFIX}*')
      if path.name.removeprefix(PREFIX).isdecimal()
      and int(path.name.removeprefix(PREFIX)) >= step
  ]
  if there:
    raise InputError(
        f'T5X would go on from {there[0].name}, not from step {step}.',
        where=directory,
        expected='no checkpoint of that step or a later one',
        fix='Choose another MODEL_DIR, or delete the checkpoint.',
    )
  path = directory / f'{PREFIX}{step}'
  items = {
      _STATE: ocp.args.PyTreeSave(trees.nest(state)),
      _DATASET: ocp.args.JsonSave(dict(position)),
  }
  try:
    directory.mkdir(parents=True, exist_ok=True)
    with ocp.Checkpointer(
        ocp.CompositeCheckpointHandler(
            state=ocp.PyTreeCheckpointHandler(),
            dataset=ocp.JsonCheckpointHandler(_POSITION),
        )
    ) as checkpointer:
      checkpointer.save(path, args=ocp.args.Composite(**items))
  except checkpoint_errors.STORAGE as error:
    raise checkpoint_errors.unwritable(error, path) from error
  return path


def load_position(path: str | os.PathLike[str]) -> Mapping[str, Any]:
  """Reads the position of the input that a checkpoint keeps.

  Args:
    path: T5X's `checkpoint_<step>`, saved by one process.

  Returns:
    JSON values, as `t5x.batches` writes them.

  Raises:
    InputError: there is no position, or another input's.
  """
  file = pathlib.Path(path) / _DATASET / _POSITION
  try:
    position = json.loads(file.read_text(encoding='utf-8'))
    if isinstance(position, dict):
      return position
    raise ValueError('no object')
  except (OSError, ValueError) as error:
    raise InputError(
        'The checkpoint does not say which batch comes next.',
        where=file,
        expected='the position of the input, which T5X saves in one process '
        'with SaveCheckpointConfig.save_dataset and the batches of '
        'plum_jax.t5x.batches',
        fix='Train with gin/t5x/pretrain.gin or finetune.gin; or take the '
        'parameters alone, as INITIAL_CHECKPOINT_PATH.',
    ) from error
