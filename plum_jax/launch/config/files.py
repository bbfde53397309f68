# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finding gin files, and the files that they include."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import difflib
import pathlib

import plum_jax
from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import statements

MAX_INCLUDE_DEPTH = 2
_RUNS = pathlib.PurePosixPath('gin/runs')
_T5X = pathlib.PurePosixPath('gin/t5x')
_CATALOGS = pathlib.PurePosixPath('gin/catalogs')


def roots(search_paths: Iterable[str]) -> list[pathlib.Path]:
  """Returns the folders that names such as `gin/runs/train.gin` start from.

  Args:
    search_paths: folders from `--gin_search_paths`; they come first.

  Returns:
    These, and the folder that `plum_jax` lies in.
  """
  own = pathlib.Path(plum_jax.__file__).parents[1]
  return [*(pathlib.Path(path).absolute() for path in search_paths), own]


def close_names(name: str, names: Iterable[str]) -> str:
  """Names what may have been meant, or lists what there is.

  >>> close_names('TRIAN_STEPS', ['TRAIN_STEPS', 'BATCH_SIZE'])
  'TRAIN_STEPS'
  """
  candidates = sorted(set(names))
  close = difflib.get_close_matches(name, candidates, n=3)
  return ', '.join(close or candidates) or 'nothing'


def find_base(
    stage: str, search_roots: Sequence[pathlib.Path]
) -> statements.GinFile:
  """Reads `gin/runs/<stage>.gin`, which binds a stage's parameters.

  Raises:
    InputError: no root has it.
  """
  name = str(_RUNS / f'{stage}.gin')
  for root in search_roots:
    if (root / name).is_file():
      return statements.read(root / name)
  raise InputError(
      f'The base file {name} is not there.',
      where=', '.join(map(str, search_roots)),
      expected='the folder gin/ of the repository beside the package plum_jax',
      fix='Install with `pip install -e .`, or name the folder that gin/ is '
      'in: --gin_search_paths=DIR',
  )


def base_files(search_roots: Sequence[pathlib.Path]) -> list[pathlib.Path]:
  """Lists `gin/runs/*.gin`, then `gin/t5x/*.gin`, of all roots."""
  return _all_in((_RUNS, _T5X), search_roots)


def catalog_files(search_roots: Sequence[pathlib.Path]) -> list[pathlib.Path]:
  """Lists `gin/catalogs/*.gin` of all roots.

  They say what depends on the catalog, for whatever experiment it is.
  """
  return _all_in((_CATALOGS,), search_roots)


def _all_in(
    folders: Sequence[pathlib.PurePosixPath],
    search_roots: Sequence[pathlib.Path],
) -> list[pathlib.Path]:
  found = []
  for folder in folders:
    for root in dict.fromkeys(search_roots):
      found.extend(sorted((root / folder).glob('*.gin')))
  return found


def collect(
    top: Sequence[statements.GinFile], search_roots: Sequence[pathlib.Path]
) -> list[statements.GinFile]:
  """Reads includes; returns all files in the order in which they bind.

  Args:
    top: the base file and the files from `--gin_file`.
    search_roots: see `roots`; the current folder comes last.

  Returns:
    Each file after those that it includes.

  Raises:
    InputError: an include is missing, too deep, or comes a second time, which
      would reset what was bound in between.
  """
  ordered: list[statements.GinFile] = []
  seen: dict[pathlib.Path, str] = {}

  def add(file: statements.GinFile, depth: int, where: object) -> None:
    resolved = file.path.resolve()
    if resolved in seen:
      raise InputError(
          f'{file.path} is read a second time, which would reset what was '
          'bound since the first.',
          where=where,
          expected=f'each file once; it was first read by {seen[resolved]}',
          fix='Remove one of the two.',
      )
    seen[resolved] = str(where)
    for include in file.includes:
      if depth == MAX_INCLUDE_DEPTH:
        raise InputError(
            'The include is too deep.',
            where=include.where,
            expected=f'at most {MAX_INCLUDE_DEPTH} includes below one another',
            fix=f'Include {include.name} from the outer file.',
        )
      add(_find_include(include, search_roots), depth + 1, include.where)
    ordered.append(file)

  for file in top:
    add(file, 0, file.path)
  return ordered


def find_file(
    name: str, search_roots: Sequence[pathlib.Path]
) -> statements.GinFile:
  """Reads a file from `--gin_file`: from here, or from a root.

  Raises:
    InputError: it is nowhere.
  """
  folders = [pathlib.Path(), *search_roots]
  return _find(name, folders, f'--gin_file={name}')


def _find_include(
    include: statements.Include, search_roots: Sequence[pathlib.Path]
) -> statements.GinFile:
  folders = [*search_roots, pathlib.Path()]
  return _find(include.name, folders, include.where)


def _find(
    name: str, folders: Sequence[pathlib.Path], where: object
) -> statements.GinFile:
  for folder in folders:
    if (folder / name).is_file():
      return statements.read(folder / name)
  parent = pathlib.Path(name).parent
  there = {
      str(parent / path.name)
      for folder in folders
      for path in (folder / parent).glob('*.gin')
  }
  raise InputError(
      f'The gin file {name} does not exist.',
      where=where,
      expected=f'a file such as {close_names(name, there)}',
      fix='Correct the name, or name the folder that it starts from: '
      '--gin_search_paths=DIR',
  )
