# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The files that a path of given embeddings stands for."""

from __future__ import annotations

from collections.abc import Sequence
import os
import pathlib
import re

from plum_jax.artifacts.errors import InputError

_KINDS = ('.npy', '.parquet')
_MARKS = '.present.npy'
_NUMBERED = re.compile(r'(.*)-(\d+)-of-(\d+)(?:\.[a-z]+)+')


def find(path: str | os.PathLike[str]) -> list[pathlib.Path]:
  """Lists the files of a path, in order.

  Args:
    path: a file; a folder, which stands for its `.npy` or `.parquet` files; or
      such files by a pattern, `folder/image-*.npy`. Names that begin with `_`
      or `.`, as other programs name their marks, are left out, and so is
      `<stem>.present.npy`. Shards of arrays are named
      `<stem>-00000-of-00004.npy` and so on, for nothing else tells their order;
      those of tables may be.

  Returns:
    At least one path. A file's own is not looked at.

  Raises:
    InputError: there are no files, files of both kinds, `.npy` files without
      numbers, or a numbered one is missing.

  >>> [file.as_posix() for file in find('vectors/image.npy')]
  ['vectors/image.npy']
  """
  path = pathlib.Path(path)
  if '*' in path.name:
    found = path.parent.glob(path.name)
  elif path.is_dir():
    found = path.iterdir()
  else:
    return [path]
  files = sorted(
      file
      for file in found
      if file.suffix in _KINDS
      and not file.name.startswith(('.', '_'))
      and not file.name.endswith(_MARKS)
  )
  kinds = {file.suffix for file in files}
  if len(kinds) != 1:
    raise InputError(
        f'There are {len(files)} files of embeddings'
        + (', of both kinds.' if files else '.'),
        where=path,
        expected='.npy files, or .parquet files',
        fix='Correct the path, or name the files by a pattern such as '
        'folder/image-*.npy.',
    )
  numbered = [_NUMBERED.fullmatch(file.name) for file in files]
  if any(numbered) or ('.npy' in kinds and len(files) > 1):
    return _in_order(path, files, numbered)
  return files


def _in_order(
    path: pathlib.Path,
    files: Sequence[pathlib.Path],
    numbered: Sequence[re.Match[str] | None],
) -> list[pathlib.Path]:
  """Checks that numbered shards are all there, and sorts them."""
  order = {}
  sets = set()
  for file, match in zip(files, numbered, strict=True):
    if match is None:
      raise InputError(
          f'The name {file.name} has no number.',
          where=path,
          expected='shards named like <stem>-00000-of-00004',
          fix='Rename the files in the order of items.parquet.',
      )
    sets.add((match[1], int(match[3])))
    order[int(match[2])] = file
  if len(sets) != 1:
    shown = ', '.join(f'{stem} of {count}' for stem, count in sorted(sets))
    raise InputError(
        f'These are shards of several arrays: {shown}.',
        where=path,
        expected='one stem and one number of shards',
        fix='Name the files of one by a pattern such as folder/image-*.npy.',
    )
  count = sets.pop()[1]
  missing = sorted(set(range(count)) - set(order))
  if missing or len(files) != count:
    raise InputError(
        f'There are {len(files)} of {count} shards'
        + (f'; number {missing[0]} is missing.' if missing else '.'),
        where=path,
        expected=f'the numbers 0 to {count - 1}, each once',
        fix='Copy the files that are missing, and remove others.',
    )
  return [order[number] for number in range(count)]
