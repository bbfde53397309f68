# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""`bundle.json`: which files a bundle consists of, and what they contain."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
import os
import pathlib
import re
from typing import Any

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError

FILE_NAME = 'bundle.json'
_FORMAT = 1
_HASH = re.compile(r'[0-9a-f]{64}')
# Written by the stage after the bundle; says when, not what.
_UNLISTED = (FILE_NAME, manifest.FILE_NAME)


def write(directory: pathlib.Path, values: Mapping[str, Any]) -> None:
  """Writes `bundle.json` with the hashes of all files that are there.

  Args:
    directory: the finished bundle.
    values: what else to write, as JSON values.
  """
  files = {
      path.relative_to(directory).as_posix(): manifest.hash_file(path)
      for path in sorted(directory.rglob('*'))
      if path.is_file()
  }
  contents = {
      'format': _FORMAT,
      'versions': manifest.library_versions(),
      'files': files,
      **values,
  }
  with atomic.write_file(directory / FILE_NAME) as temporary:
    temporary.write_text(json.dumps(contents, indent=2) + '\n', 'utf-8')


def verify(directory: str | os.PathLike[str]) -> dict[str, Any]:
  """Reads `bundle.json` and compares every file with it.

  Args:
    directory: a bundle.

  Returns:
    The values of `bundle.json`.

  Raises:
    InputError: there is no such file, or it is of another format; a file is
      missing, too many, or of another content; a name leads out of the folder,
      or a file is a link.
  """
  root = pathlib.Path(directory)
  path = root / FILE_NAME
  try:
    values = json.loads(path.read_text('utf-8'))
    if values['format'] != _FORMAT:
      raise ValueError(f'format {values["format"]!r} is not known')
    files = dict(values['files'])
  except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
    raise refuse(f'The bundle cannot be read: {error!r}.', path) from error
  for name, recorded in files.items():
    _check_name(root, name, path)
    if not isinstance(recorded, str) or not _HASH.fullmatch(recorded):
      raise refuse(f'{name!r} has no SHA-256.', path)
  _check_listed(root, files)
  for name, recorded in files.items():
    found = manifest.hash_file(root / name)
    if found != recorded:
      raise InputError(
          'A file of the bundle is not the one that was bundled.',
          where=f'{root / name} and {path}',
          expected=f'SHA-256 {recorded}, got {found}',
          fix='Run the stage bundle again, or copy the bundle again.',
      )
  return values


def version(values: Mapping[str, Any]) -> str:
  """Names a bundle by its content, in twelve digits.

  Args:
    values: of `bundle.json`.
  """
  named = {name: x for name, x in values.items() if name != 'versions'}
  text = json.dumps(named, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:12]


def refuse(what: str, where: object) -> InputError:
  """Makes the error for what is no bundle."""
  return InputError(
      what,
      where=where,
      expected='a folder that the stage bundle made',
      fix='Run the stage bundle again, or correct the path.',
  )


def _check_name(root: pathlib.Path, name: str, where: pathlib.Path) -> None:
  """Refuses a name that is not that of a file in the bundle."""
  parts = name.split('/')
  if any(part in ('', '.', '..') for part in parts) or any(
      character in name for character in '\\\0:'
  ):
    raise refuse(f'{name!r} is no name of a file in the bundle.', where)
  path = root
  for part in parts:
    path = path / part
    if path.is_symlink():
      raise refuse(f'{name!r} leads over a link.', path)
  if not path.is_file():
    raise refuse(f'The file {name!r} is missing.', path)


def _check_listed(root: pathlib.Path, files: Mapping[str, str]) -> None:
  """Refuses files that `bundle.json` does not list."""
  for path in sorted(root.rglob('*')):
    name = path.relative_to(root).as_posix()
    if path.is_symlink():
      raise refuse(f'{name!r} is a link.', path)
    if not path.is_dir() and name not in files and name not in _UNLISTED:
      raise refuse(f'The file {name!r} is not listed in {FILE_NAME}.', path)
