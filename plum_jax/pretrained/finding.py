# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finding out what a path holds."""

from __future__ import annotations

import logging
import os
import pathlib
import re

from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import gguf_reader
from plum_jax.pretrained import hugging_face_reader
from plum_jax.pretrained import network_shape
from plum_jax.pretrained import orbax_state
from plum_jax.pretrained import published
from plum_jax.pretrained import t5x_legacy
from plum_jax.pretrained.checkpoint import Checkpoint

_EXPECTED = (
    'a run directory or its training/checkpoint; a checkpoint_<step> of T5X or '
    'the MODEL_DIR around it, local or gs://; a Hugging Face folder of a T5 or '
    'a Gemma 3 with config.json and model.safetensors; a GGUF file of a Gemma '
    f'3; or the name of a published model: {", ".join(published.MODELS)}'
)
_STEP = re.compile(r'(?:checkpoint_)?(\d+)')
_SHOWN = 8

_LOGGER = logging.getLogger('plum_jax')


def find(path: str | os.PathLike[str]) -> Checkpoint:
  """Recognises a checkpoint and looks at it; reads no parameters yet.

  Args:
    path: a run directory or `training/checkpoint` in one; T5X's
      `checkpoint_<step>`, in its legacy or its Orbax form, or the folder of
      several, of which the last is taken; a Hugging Face folder; a GGUF file;
      or a name in `published.MODELS`, which is downloaded.

  Returns:
    The checkpoint, of a network that this project has.

  Raises:
    InputError: nothing of that kind is there; it says what is.
  """
  text = os.fspath(published.resolve(path))
  if '://' in text:
    found = _find_remote(text)
  else:
    found = _find_local(pathlib.Path(text))
  network_shape.check_is_ours(found.arrays, found.path)
  _LOGGER.info('found %s: %s', found.form, found.path)
  return found


def _find_local(path: pathlib.Path) -> Checkpoint:
  if path.suffix == gguf_reader.SUFFIX and path.is_file():
    return gguf_reader.open_file(path)
  if not path.is_dir():
    raise InputError(
        'The initial checkpoint is no folder.'
        if path.exists()
        else 'The initial checkpoint does not exist.',
        where=path,
        expected=_EXPECTED,
        fix='Correct INITIAL_CHECKPOINT_PATH.',
    )
  if (path / hugging_face_reader.CONFIG).is_file():
    return hugging_face_reader.open_folder(path)
  if (path / orbax_state.STATE).is_dir():
    return orbax_state.open_folder(str(path))
  if (path / t5x_legacy.FILE).is_file():
    return t5x_legacy.open_folder(str(path))
  for below in ('checkpoint', 'training/checkpoint'):
    if (path / below / orbax_state.STATE).is_dir():
      return orbax_state.open_folder(str(path / below))
  steps = {
      int(match[1]): child
      for child in path.iterdir()
      if child.is_dir() and (match := _STEP.fullmatch(child.name))
  }
  if steps:
    return _find_local(steps[max(steps)])
  there = sorted(child.name for child in path.iterdir())
  raise InputError(
      'The folder holds no checkpoint, but '
      f'{", ".join(there[:_SHOWN]) or "nothing"}'
      f'{", …" if len(there) > _SHOWN else ""}.',
      where=path,
      expected=_EXPECTED,
      fix='Correct INITIAL_CHECKPOINT_PATH.',
  )


def _find_remote(path: str) -> Checkpoint:
  if not path.startswith('gs://'):
    raise InputError(
        'The storage is not known.',
        where=path,
        expected='a local path or gs://',
        fix='Copy the checkpoint, or correct INITIAL_CHECKPOINT_PATH.',
    )
  if t5x_legacy.read_file(path, t5x_legacy.FILE) is not None:
    return t5x_legacy.open_folder(path)
  if t5x_legacy.read_file(path, f'{orbax_state.STATE}/_METADATA') is not None:
    return orbax_state.open_folder(path)
  raise InputError(
      'The folder holds no checkpoint.',
      where=path,
      expected=_EXPECTED,
      fix='On gs://, name the checkpoint_<step> itself.',
  )
