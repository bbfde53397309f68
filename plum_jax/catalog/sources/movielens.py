# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""MovieLens: films rated by the visitors of a recommender's web site.

F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and
Context. ACM Transactions on Interactive Intelligent Systems 5 (4), 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import logging
import pathlib
from typing import Any

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.sources import movielens_files
from plum_jax.catalog.sources import reading
from plum_jax.catalog.tables import Tables

_LOGGER = logging.getLogger('plum_jax')

_URL = 'https://files.grouplens.org/datasets/movielens/ml-{size}.zip'
# Where the publisher does not change the file. The checksums are those that
# TensorFlow Datasets keeps; those of the other sizes are not known to us.
_SHA256 = {
    '100k': '50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229',
    '1m': 'a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20',
    '20m': '96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3',
    '25m': '8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa',
}
# (users, items, interactions), as the publisher's README files state them.
_COUNTS = {
    '100k': (943, 1_682, 100_000),
    '1m': (6_040, 3_883, 1_000_209),
    '10m': (69_878, 10_681, 10_000_054),
    '20m': (138_493, 27_278, 20_000_263),
    '25m': (162_541, 62_423, 25_000_095),
    '32m': (200_948, 87_585, 32_000_204),
}
_SIZES = (*_COUNTS, 'latest-small', 'latest')

_WHEEL = 'recbole==1.2.1'
_WHEEL_FOLDER = 'recbole/dataset_example/ml-100k'
_WHEEL_MEMBERS = {
    f'{_WHEEL_FOLDER}/ml-100k.inter': (
        '4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff'
    ),
    f'{_WHEEL_FOLDER}/ml-100k.item': (
        '51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532'
    ),
    f'{_WHEEL_FOLDER}/ml-100k.user': (
        '4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972'
    ),
}
TERMS = """\
MovieLens data is published by GroupLens, University of Minnesota, for research.
- Do not state or imply an endorsement by the University or by GroupLens.
- Acknowledge it in publications: F. M. Harper and J. A. Konstan. The MovieLens
  Datasets: History and Context. ACM TiiS 5 (4), 2015.
- Do not redistribute it, nor use it for commercial or revenue-bearing purposes,
  without the publisher's permission.
The README in the data, and https://grouplens.org/datasets/movielens/, have the
full text and hold."""


@dataclasses.dataclass(frozen=True)
class MovieLens:
  """A MovieLens data set.

  Titles come without their year, which is a text field of its own; genres are
  categories; the publisher's placeholders for "no genre" are left out. 100k
  and 1m say gender, occupation and age of users.

  Attributes:
    size: 100k, 1m, 10m, 20m, 25m, 32m, latest-small or latest.
    path: the unpacked folder or the zip file. If empty, the data is
      downloaded from the publisher; 100k also comes out of the wheel
      `recbole==1.2.1` where the publisher cannot be reached. Both forms of
      100k give the same tables.
  """

  size: str = '100k'
  path: str = ''

  def __post_init__(self):
    """Refuses a size that was never published."""
    if self.size not in _SIZES:
      raise InputError(
          f'There is no MovieLens of the size {self.size!r}.',
          where='MovieLens.size',
          expected=f'one of {", ".join(_SIZES)}',
          fix='Correct the size.',
      )

  @property
  def name(self) -> str:
    """Names the data set, `movielens-100k`."""
    return f'movielens-{self.size}'

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds the local files; none if the data is downloaded."""
    if not self.path:
      return {}
    return movielens_files.Folder(self._local_path()).inputs()

  def parameters(self) -> Mapping[str, Any]:
    """Returns the size, and the checksum of what is downloaded."""
    checksum = '' if self.path else _SHA256.get(self.size, '')
    return {'source': 'MovieLens', 'size': self.size, 'sha256': checksum}

  def read(self) -> Tables:
    """Reads the local files, or downloads them first."""
    if self.path:
      _LOGGER.info('%s: reading %s', self.name, self.path)
      return movielens_files.Folder(self._local_path()).read(self.size)
    _LOGGER.info('%s: no local path is given', self.name)
    tables = movielens_files.Folder(self._download()).read(self.size)
    self._check_counts(tables)
    return tables

  def _local_path(self) -> pathlib.Path:
    return reading.local_path(
        self.path, f'the unpacked folder or the zip file of {self.name}'
    )

  def _download(self) -> pathlib.Path:
    """Returns the publisher's zip file, or the folder out of the wheel."""
    cache = download.cache_directory()
    url = _URL.format(size=self.size)
    try:
      path = download.fetch(
          url,
          cache / 'movielens' / f'ml-{self.size}.zip',
          sha256=_SHA256.get(self.size),
          terms=TERMS,
      )
    except download.UnreachableError as error:
      if self.size != '100k':
        raise
      _LOGGER.warning(
          '%s: %s could not be used: %s', self.name, url, error.what
      )
      return self._from_wheel(error)
    _LOGGER.info('%s: using %s from %s', self.name, path, url)
    return path

  def _from_wheel(self, cause: download.UnreachableError) -> pathlib.Path:
    """Returns the folder of the copy that RecBole ships."""
    _LOGGER.info('%s: trying the copy in the wheel %s', self.name, _WHEEL)
    try:
      paths = download.fetch_wheel_members(_WHEEL, _WHEEL_MEMBERS)
    except download.UnreachableError as error:
      raise download.UnreachableError(
          f'{self.name} could not be reached. Publisher: {cause.what} '
          f'Wheel: {error.what}',
          where=f'{cause.where} and the wheel {_WHEEL}',
          expected='a connection to one of them',
          fix='Connect, or bring ml-100k.zip here by other means and set '
          'MovieLens.path to it.',
      ) from error
    folder = next(iter(paths.values())).parent
    _LOGGER.info('%s: using %s from %s', self.name, folder, _WHEEL)
    return folder

  def _check_counts(self, tables: Tables) -> None:
    """Refuses a download of another size than the publisher states."""
    if self.size not in _COUNTS:
      return
    found = (
        len(tables.interactions['user_id'].unique()),
        tables.items.num_rows,
        tables.interactions.num_rows,
    )
    if found != _COUNTS[self.size]:
      raise InputError(
          f'The download has {found} users, items and interactions.',
          where=self.name,
          expected=f'{_COUNTS[self.size]}, as the publisher states',
          fix='Delete it from the cache and run the same command again.',
      )
