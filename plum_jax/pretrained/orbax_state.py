# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that Orbax wrote: T5X's, and this project's own."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import Any

import jax

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.models import saved
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.vocabulary import layout

STATE = 'state'
# Where parameters lie in the state: T5X's, and that of a run of ours that goes
# on; a finished run keeps nothing else.
_T5X, _OURS = 'target/', 'params/'


def open_folder(path: str) -> Checkpoint:
  """Looks at a folder that holds a folder `state`.

  Args:
    path: the folder: T5X's `checkpoint_<step>`, `training/checkpoint` of a run
      directory, or a step of a run that is not finished.

  Returns:
    The checkpoint; a finished run's states its configuration, and its
    vocabulary if that is still in the run directory.

  Raises:
    InputError: it cannot be read, or holds no parameters.
  """
  found = checkpoints.state_arrays(path)
  prefix = next(
      (p for p in (_T5X, _OURS) if any(name.startswith(p) for name in found)),
      '',
  )
  arrays = {
      name.removeprefix(prefix): array
      for name, array in found.items()
      if name.startswith(prefix)
  }
  if not any(name.startswith('decoder/') for name in arrays):
    raise InputError(
        f'The checkpoint has no decoder, but {", ".join(list(found)[:3])}.',
        where=path,
        expected='the parameters of an encoder-decoder or decoder-only network',
        fix='Use the checkpoint of a language model.',
    )
  return Checkpoint(
      form=(
          "a checkpoint in T5X's Orbax form"
          if prefix == _T5X
          else 'a checkpoint of this project'
      ),
      path=path,
      arrays=arrays,
      read=lambda wanted: _read(path, prefix, wanted),
      files=_local_files(path),
      **({} if prefix else _of_finished_run(pathlib.Path(path))),
  )


def _of_finished_run(path: pathlib.Path) -> dict[str, Any]:
  """Returns what a run directory says about its generator."""
  known: dict[str, Any] = {}
  config = checkpoints.load_params_config(path)
  if 'model' in config:
    known['config'] = saved.from_json(config['model']).config
  made = manifests.load(path.parent)
  if made is not None and 'vocabulary' in made.inputs:
    known['vocabulary_hash'] = made.inputs['vocabulary']
    vocabulary = path.parent.parent / 'vocabulary'
    if (
        vocabulary.is_dir()
        and manifests.hash_directory(vocabulary) == made.inputs['vocabulary']
    ):
      known['sentencepiece'] = (vocabulary / layout.MODEL_FILE).read_bytes()
  return known


def _read(
    path: str, prefix: str, wanted: Mapping[str, jax.ShapeDtypeStruct]
) -> dict[str, Any]:
  found = checkpoints.load_state_arrays(
      path, {f'{prefix}{name}': shape for name, shape in wanted.items()}
  )
  return {name.removeprefix(prefix): array for name, array in found.items()}


def _local_files(path: str) -> tuple[pathlib.Path, ...]:
  if '://' in path:
    return ()
  return tuple(
      file for file in (pathlib.Path(path) / STATE).rglob('*') if file.is_file()
  )
