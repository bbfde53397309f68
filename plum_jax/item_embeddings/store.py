# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The finished artifact: vectors of all items, per modality."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import os
import pathlib

import numpy as np

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import row_file


@dataclasses.dataclass(frozen=True)
class ItemEmbeddings:
  """One modality of all items.

  Attributes:
    name: name of the modality.
    vectors: [num_items, dim] float32, read from the file as rows are asked
      for; row i of item number i, zeros where `present` is False.
    present: [num_items] bool, whether the item has this modality.
  """

  name: str
  vectors: row_file.RowFile
  present: np.ndarray

  @property
  def num_items(self) -> int:
    """Number of the catalog's items."""
    return self.vectors.shape[0]

  @property
  def dim(self) -> int:
    """Width of a vector."""
    return self.vectors.shape[1]


def load(
    directory: str | os.PathLike[str], names: Sequence[str] | None = None
) -> dict[str, ItemEmbeddings]:
  """Opens the artifact of the stage `item_embeddings`; reads no vectors yet.

  Args:
    directory: the artifact's folder.
    names: the modalities to open; all if None.

  Returns:
    Embeddings by modality, in the order of `names`, or as configured.

  Raises:
    InputError: the stage never finished, there is no such modality, or a file
      is not what the stage wrote.
  """
  directory = pathlib.Path(directory)
  made = manifest.load(directory)
  if made is None or 'modalities' not in made.parameters:
    raise InputError(
        'The item embeddings were never finished.',
        where=directory,
        expected=f'a folder with the {manifest.FILE_NAME} of item_embeddings',
        fix='Run the stage item_embeddings.',
    )
  stored = [modality['name'] for modality in made.parameters['modalities']]
  unknown = [name for name in names or () if name not in stored]
  if unknown:
    raise InputError(
        f'There is no modality {unknown[0]!r}.',
        where=directory,
        expected=f'one of {", ".join(stored)}',
        fix='Correct the name, or add the modality and run the stage again.',
    )
  return {
      name: _open(directory, name)
      for name in (stored if names is None else names)
  }


def _open(directory: pathlib.Path, name: str) -> ItemEmbeddings:
  """Opens the two files of one modality."""
  path = directory / f'{name}.npy'
  try:
    vectors = row_file.RowFile(path)
    present = np.load(directory / f'{name}.present.npy', allow_pickle=False)
  except (OSError, ValueError) as error:
    raise InputError(
        f'The embeddings cannot be read: {error}.',
        where=path,
        expected='the arrays that the stage item_embeddings wrote',
        fix='Delete the folder and run the stage again.',
    ) from error
  if (
      vectors.dtype != np.float32
      or vectors.ndim != 2
      or present.dtype != np.bool_
      or present.shape != vectors.shape[:1]
  ):
    raise InputError(
        f'The arrays do not fit: {list(vectors.shape)} {vectors.dtype}, '
        f'present {list(present.shape)} {present.dtype}.',
        where=path,
        expected='float32 [num_items, dim] and bool [num_items]',
        fix='Delete the folder and run the stage again.',
    )
  return ItemEmbeddings(name, vectors, present)
