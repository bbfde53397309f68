# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Manifests: what made an artifact, and whether it still stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
from typing import Any

import plum_jax
from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError

FILE_NAME = 'manifest.json'
_LIBRARIES = ('jax', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


def hash_file(path: str | os.PathLike[str]) -> str:
  """Returns the SHA-256 of a file's bytes, in hexadecimal."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def hash_files(
    root: str | os.PathLike[str], files: Iterable[str | os.PathLike[str]]
) -> str:
  """Returns one SHA-256 over the names, below `root`, and contents of files."""
  digest = hashlib.sha256()
  for file in sorted(pathlib.Path(file) for file in files):
    digest.update(file.relative_to(root).as_posix().encode())
    digest.update(bytes.fromhex(hash_file(file)))
  return digest.hexdigest()


def hash_directory(path: str | os.PathLike[str]) -> str:
  """Returns one SHA-256 over the names and contents of a folder's files.

  Manifests are left out, since they say when and with what versions a thing
  was made, not what it is.
  """
  root = pathlib.Path(path)
  return hash_files(
      root,
      (
          file
          for file in root.rglob('*')
          if file.is_file() and file.name != FILE_NAME
      ),
  )


def content_hash(path: str | os.PathLike[str]) -> str:
  """Returns the hash of a file or of a folder's content.

  Raises:
    InputError: nothing is there.
  """
  path = pathlib.Path(path)
  if path.is_dir():
    return hash_directory(path)
  if path.is_file():
    return hash_file(path)
  raise InputError(
      'A file that this stage reads does not exist.',
      where=path,
      expected='an artifact of an earlier stage',
      fix='Run the earlier stage first, or correct the path.',
  )


def library_versions() -> dict[str, str]:
  """Returns the versions of this project and of what computes for it."""
  versions = {'plum_jax': plum_jax.__version__}
  for name in _LIBRARIES:
    versions[name] = importlib.metadata.version(name)
  return versions


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What made an artifact.

  Attributes:
    stage: the stage's name, such as `semantic_ids`.
    inputs: content hash of each artifact that was read, by its role.
    parameters: everything that was configured, as JSON values.
    seed: the seed, or None where nothing is random.
    notes: what makes no difference, such as where an input lay.
    versions: version of each library that computed.
    outputs: content hash of what was made, filled in by `save`.
  """

  stage: str
  inputs: Mapping[str, str]
  parameters: Mapping[str, Any]
  seed: int | None = None
  notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  versions: Mapping[str, str] = dataclasses.field(
      default_factory=library_versions
  )
  outputs: str = ''

  def save(self, directory: str | os.PathLike[str]) -> Manifest:
    """Hashes the artifact in `directory` and writes the manifest into it."""
    directory = pathlib.Path(directory)
    made = dataclasses.replace(self, outputs=hash_directory(directory))
    text = json.dumps(dataclasses.asdict(made), indent=2, sort_keys=True)
    with atomic.write_file(directory / FILE_NAME) as temporary:
      temporary.write_text(text + '\n', encoding='utf-8')
    return made

  def made_the_same(self, other: Manifest) -> bool:
    """Whether both would make the same artifact.

    Notes and versions are recorded, not compared: an upgrade of a library is no
    reason to train again.
    """
    return (
        self.stage == other.stage
        and dict(self.inputs) == dict(other.inputs)
        and json.dumps(self.parameters, sort_keys=True)
        == json.dumps(other.parameters, sort_keys=True)
        and self.seed == other.seed
    )


def load(directory: str | os.PathLike[str]) -> Manifest | None:
  """Reads the manifest of an artifact.

  Args:
    directory: the artifact's folder.

  Returns:
    The manifest, or None if there is none: the artifact was never finished.

  Raises:
    InputError: the file is there and is not a manifest.
  """
  path = pathlib.Path(directory) / FILE_NAME
  if not path.exists():
    return None
  try:
    return Manifest(**json.loads(path.read_text(encoding='utf-8')))
  except (ValueError, TypeError) as error:
    raise InputError(
        f'The manifest cannot be read: {error}',
        where=path,
        expected='the JSON object that a finished stage writes',
        fix='Delete the folder and run its stage again.',
    ) from error


def check_input(
    directory: str | os.PathLike[str],
    role: str,
    path: str | os.PathLike[str],
) -> None:
  """Refuses an input other than the one that an artifact was made from.

  Args:
    directory: the finished artifact, for example a trained model.
    role: the input's name in its manifest, for example `semantic_ids`.
    path: the input that is about to be used with it.

  Raises:
    InputError: the artifact has no manifest, or was made from another input.
  """
  made = load(directory)
  if made is None:
    raise InputError(
        'The artifact has no manifest: its stage never finished.',
        where=directory,
        expected=f'a folder with {FILE_NAME}',
        fix='Run the stage that makes it.',
    )
  found = content_hash(path)
  recorded = made.inputs.get(role)
  if recorded != found:
    raise InputError(
        f'{directory} was made with another {role} than {path}.',
        where=f'{pathlib.Path(directory) / FILE_NAME}, inputs.{role}',
        expected=f'content hash {recorded}, got {found}',
        fix=f'Use the {role} it was made with, or run its stage again.',
    )
