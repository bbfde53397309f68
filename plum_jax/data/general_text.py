# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""General text for a language model: one's own, or what is installed anyway.

A language model is a better start than none (PLUM, arXiv 2510.07784: 0.23
against 0.19). Where no pretrained one can be had, a small one can learn English
from the documentation of the Python packages in the environment: megabytes, the
same for the same lock file, and nothing to download. It is technical
English, and no more than a stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import hashlib
import inspect
import logging
import os
import pathlib
import re
import sysconfig
import zlib

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import progress
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError

TRAIN_FILE, VALIDATION_FILE = 'train.txt', 'validation.txt'
VALIDATION_SHARE = 0.02
# Words and signs of prose; the rest is code, tables or another language.
_PROSE = re.compile(r"[A-Za-z0-9 ,.;:'\"()\-?!%$]+")
_MIN_WORDS = 8
_DOCSTRING = re.compile('"""(.*?)"""', re.DOTALL)

_LOGGER = logging.getLogger('plum_jax')


def build(
    directory: str | os.PathLike[str],
    *,
    files: Sequence[str] = (),
    max_megabytes: float = 20.0,
) -> manifests.Manifest:
  """Writes `train.txt` and `validation.txt`, a paragraph a line.

  Which paragraphs are for validation follows from their words alone; none comes
  twice.

  Args:
    directory: the folder to make.
    files: text files in UTF-8, whose lines are paragraphs; if there are none,
      the documentation of the installed Python packages.
    max_megabytes: the most text to take, from the beginning.

  Returns:
    The manifest of the folder that is now there.

  Raises:
    InputError: a file is missing or is no text; there is no text at all.
  """

  def make(folder: pathlib.Path, work: pathlib.Path) -> None:
    del work
    paragraphs = _of_files(files) if files else _of_packages()
    counts = _write(folder, paragraphs, int(max_megabytes * 1e6))
    if not counts[TRAIN_FILE]:
      raise InputError(
          'There is no text.',
          where=', '.join(files) or sysconfig.get_path('purelib'),
          expected='paragraphs, one a line',
          fix='Bring more text.',
      )
    _LOGGER.info(
        'general_text: %s paragraphs to train on, %s for validation',
        f'{counts[TRAIN_FILE]:,}',
        f'{counts[VALIDATION_FILE]:,}',
    )

  return stage.run(
      'general_text',
      directory,
      make,
      inputs={f'file {i}': path for i, path in enumerate(files)},
      parameters={
          'source': 'files' if files else 'installed packages',
          'max_megabytes': max_megabytes,
      },
  )


def is_validation(paragraph: str) -> bool:
  """Says whether a paragraph is held out of training."""
  return zlib.crc32(paragraph.encode()) < VALIDATION_SHARE * 2**32


def _write(
    folder: pathlib.Path, paragraphs: Iterator[str], max_bytes: int
) -> dict[str, int]:
  """Writes both files; returns the number of paragraphs of each."""
  counts = {TRAIN_FILE: 0, VALIDATION_FILE: 0}
  seen: set[bytes] = set()
  size = 0
  report = progress.Progress('general_text', max_bytes, 'bytes')
  with (
      open(folder / TRAIN_FILE, 'w', encoding='utf-8') as train,
      open(folder / VALIDATION_FILE, 'w', encoding='utf-8') as validation,
  ):
    for paragraph in paragraphs:
      key = hashlib.blake2b(paragraph.encode(), digest_size=8).digest()
      if key in seen:
        continue
      seen.add(key)
      held_out = is_validation(paragraph)
      (validation if held_out else train).write(paragraph + '\n')
      counts[VALIDATION_FILE if held_out else TRAIN_FILE] += 1
      size += len(paragraph.encode()) + 1
      report.update(min(size, max_bytes))
      if size >= max_bytes:
        break
  return counts


def _of_files(files: Sequence[str]) -> Iterator[str]:
  for path in files:
    with open(path, encoding='utf-8') as file:
      try:
        for line in file:
          if line := ' '.join(line.split()):
            yield line
      except UnicodeDecodeError as error:
        raise InputError(
            f'The file is no text in UTF-8: {error}.',
            where=path,
            expected='paragraphs, one a line',
            fix='Convert it, for example with iconv.',
        ) from error


def _of_packages() -> Iterator[str]:
  """Yields paragraphs of prose of the installed packages' docstrings."""
  root = pathlib.Path(sysconfig.get_path('purelib'))
  for path in sorted(root.rglob('*.py')):
    # Parsing the files took minutes where this takes seconds, for as much text.
    for text in _DOCSTRING.findall(path.read_text('utf-8', errors='ignore')):
      yield from paragraphs_of(inspect.cleandoc(text))


def paragraphs_of(text: str) -> Iterator[str]:
  r"""Yields the paragraphs of a docstring that are prose.

  >>> list(paragraphs_of('Adds numbers.\n\n'
  ...     'The numbers may be of any kind, and the\nsum is of the same kind.'
  ...     '\n\n>>> add(1, 2)\n3'))
  ['The numbers may be of any kind, and the sum is of the same kind.']
  """
  for paragraph in re.split(r'\n\s*\n', text):
    line = ' '.join(paragraph.split()).replace('`', '')
    if (
        line.count(' ') >= _MIN_WORDS - 1
        and line[0].isupper()
        and line.endswith('.')
        and _PROSE.fullmatch(line)
    ):
      yield line
