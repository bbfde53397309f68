# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import uuid

_TEMPORARY = '.partial-'
# A folder cannot be renamed onto a full one: the older one is called this for
# a moment, and gets its name back if the process was killed just then.
_REPLACED = '.replaced-'


def _temporary_path(path: pathlib.Path) -> pathlib.Path:
  path.parent.mkdir(parents=True, exist_ok=True)
  return path.parent / f'{_TEMPORARY}{path.name}-{uuid.uuid4().hex[:8]}'


def _sync(path: pathlib.Path) -> None:
  """Waits until a file or a folder's entries are on the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


@contextlib.contextmanager
def write_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Gives a temporary path; renames it to `path` if the block succeeds.

  Args:
    path: the file to appear. An older one stays until the rename.

  Yields:
    A path in the same folder, for the block to write.

  >>> import tempfile
  >>> folder = pathlib.Path(tempfile.mkdtemp())
  >>> with write_file(folder / 'a.txt') as temporary:
  ...   _ = temporary.write_text('whole')
  >>> [p.name for p in folder.iterdir()]
  ['a.txt']
  """
  path = pathlib.Path(path)
  temporary = _temporary_path(path)
  try:
    yield temporary
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)
  finally:
    temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def write_directory(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Gives a temporary folder; puts it in the place of `path` on success.

  Args:
    path: the folder to appear. An older one stays until the block has ended.

  Yields:
    An empty folder beside `path`, for the block to fill.
  """
  path = pathlib.Path(path)
  temporary = _temporary_path(path)
  replaced = path.parent / f'{_REPLACED}{path.name}'
  temporary.mkdir()
  try:
    yield temporary
    for file in temporary.rglob('*'):
      if file.is_file():
        _sync(file)
    if path.exists():
      if replaced.exists():
        shutil.rmtree(replaced)
      path.replace(replaced)
    temporary.replace(path)
    _sync(path.parent)
  finally:
    _restore_or_remove(replaced, path)
    if temporary.exists():
      shutil.rmtree(temporary)


def _restore_or_remove(replaced: pathlib.Path, path: pathlib.Path) -> None:
  """Gives a folder its name back, unless a new one has it."""
  if not replaced.exists():
    return
  if path.exists():
    shutil.rmtree(replaced)
  else:
    replaced.replace(path)


def remove_leftovers(directory: str | os.PathLike[str]) -> None:
  """Clears up what a killed process left half-done in `directory`.

  What was half-written is removed; a folder that was just being replaced is
  there again, the old one or the new one, and whole.

  Args:
    directory: where artifacts lie; it need not be there.
  """
  directory = pathlib.Path(directory)
  for replaced in directory.glob(f'{_REPLACED}*'):
    name = replaced.name.removeprefix(_REPLACED)
    _restore_or_remove(replaced, directory / name)
  for leftover in directory.glob(f'{_TEMPORARY}*'):
    if leftover.is_dir():
      shutil.rmtree(leftover)
    else:
      leftover.unlink()
