# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tokenizers on disk: a kind with its configuration, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError

CONFIG_FILE = 'config.json'
PARAMETERS_FILE = 'parameters.safetensors'


@dataclasses.dataclass(frozen=True)
class SavedTokenizer:
  """The files of a tokenizer, read.

  Attributes:
    kind: what learned it, such as `rqvae`.
    config: its configuration, as JSON values.
    modality_sizes: (name, embedding width) of each modality it reads.
    tensors: its numbers by name.
  """

  kind: str
  config: Mapping[str, Any]
  modality_sizes: tuple[tuple[str, int], ...]
  tensors: Mapping[str, np.ndarray]


def write(directory: str | os.PathLike[str], saved: SavedTokenizer) -> None:
  """Writes a tokenizer as a folder.

  The files hold nothing but numbers and sizes, no time and no path, so that
  the same training gives the same bytes and thus the same hash.

  Args:
    directory: the folder to appear; an older one is replaced.
    saved: what to write.
  """
  config = {
      'kind': saved.kind,
      'config': saved.config,
      'modality_sizes': saved.modality_sizes,
  }
  tensors = {
      name: np.array(tensor, order='C')
      for name, tensor in saved.tensors.items()
  }
  with atomic.write_directory(directory) as temporary:
    (temporary / CONFIG_FILE).write_text(
        json.dumps(config, indent=2, sort_keys=True) + '\n', encoding='utf-8'
    )
    safetensors.numpy.save_file(tensors, temporary / PARAMETERS_FILE)


def read(directory: str | os.PathLike[str]) -> SavedTokenizer:
  """Reads the files of a tokenizer.

  Args:
    directory: a folder that `write` wrote.

  Returns:
    What they hold; whether the tensors fit the configuration is not checked.

  Raises:
    InputError: a file is missing or cannot be read.
  """
  directory = pathlib.Path(directory)
  try:
    values = json.loads((directory / CONFIG_FILE).read_text(encoding='utf-8'))
    tensors = safetensors.numpy.load_file(directory / PARAMETERS_FILE)
    return SavedTokenizer(
        kind=str(values['kind']),
        config=dict(values['config']),
        modality_sizes=tuple(
            (str(name), int(size)) for name, size in values['modality_sizes']
        ),
        tensors=tensors,
    )
  except (
      OSError,
      KeyError,
      TypeError,
      ValueError,
      safetensors.SafetensorError,
  ) as error:
    raise unreadable(directory, str(error)) from error


def check_shapes(
    directory: str | os.PathLike[str],
    expected: Mapping[str, Sequence[int]],
    tensors: Mapping[str, np.ndarray],
) -> None:
  """Refuses tensors other than the configuration asks for.

  Args:
    directory: the tokenizer's folder, for the message.
    expected: shapes by name.
    tensors: those that were read.

  Raises:
    InputError: one is missing, too many, or of another shape.
  """
  wanted = {name: tuple(shape) for name, shape in expected.items()}
  found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
  if wanted != found:
    differing = sorted(dict(wanted.items() ^ found.items()))
    raise unreadable(
        pathlib.Path(directory) / PARAMETERS_FILE,
        f'these parameters are not as {CONFIG_FILE} says: '
        f'{", ".join(differing[:5])}',
    )


def unreadable(where: str | os.PathLike[str], reason: str) -> InputError:
  """Makes the error for files that hold no tokenizer."""
  return InputError(
      f'The tokenizer cannot be read: {reason}.',
      where=where,
      expected=f'{CONFIG_FILE} and {PARAMETERS_FILE} as a tokenizer saves them',
      fix='Run the stage semantic_ids again, or correct the path.',
  )
