# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The file forms in which MovieLens comes, read into the same tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import io
import pathlib
from typing import BinaryIO
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog.sources import movielens_users
from plum_jax.catalog.sources import reading
from plum_jax.catalog.tables import Tables

_NO_GENRE = ('unknown', '(no genres listed)')
# What RecBole's converter wrote where it found no year: sic.
_RECBOLE_UNKNOWN = 'unkonwn'
_TITLE_AND_YEAR = (
    r'^(?P<title>.*?)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)'
    r'\s*(?:\([A-Za-z]+\))?\s*$'
)
_RATING_TYPES = (pa.string(), pa.string(), pa.float32(), pa.int64())


class Folder:
  """A folder, or a zip file of one, with the files of one form.

  Attributes:
    path: the folder or the zip file.
  """

  def __init__(self, path: pathlib.Path):
    """Lists the files.

    Args:
      path: the folder or the zip file.

    Raises:
      InputError: the zip file is broken, or the files of no form are there.
    """
    self.path = path
    self._zipped = not path.is_dir()
    with reading.guarded(path, 'a folder or a zip file of MovieLens'):
      if self._zipped:
        with zipfile.ZipFile(path) as archive:
          names = archive.namelist()
      else:
        names = [file.name for file in path.iterdir()]
    self._members = {pathlib.PurePosixPath(name).name: name for name in names}
    self._form = self._find_form()

  def _find_form(self) -> tuple[str, ...]:
    for form in _FORMS:
      if all(name in self._members for name in form):
        return form
    forms = ' or '.join(', '.join(form) for form in _FORMS)
    raise InputError(
        'The files of MovieLens are not there.',
        where=self.path,
        expected=forms,
        fix='Give the folder that the zip file unpacks to, or the zip file.',
    )

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """The files that are read, by name."""
    if self._zipped:
      return {self.path.name: self.path}
    names = [*self._form, *([self._users_file] if self._users_file else [])]
    return {name: self.path / name for name in names}

  @property
  def _users_file(self) -> str:
    """The file that says something of users; empty if it is not there."""
    name = movielens_users.FILES.get(self._form[0], '')
    return name if name in self._members else ''

  def open(self, name: str) -> BinaryIO:
    """Opens one of the form's files."""
    if not self._zipped:
      return open(self.path / name, 'rb')
    with zipfile.ZipFile(self.path) as archive:
      return io.BytesIO(archive.read(self._members[name]))

  def read(self, size: str) -> Tables:
    """Reads the form that is there.

    Args:
      size: the size, on which the encoding depends.

    Raises:
      InputError: a file cannot be read.
    """
    read = _FORMS[self._form](self, size)
    if not self._users_file:
      return read
    return read._replace(users=_read_users(self, self._users_file))


def _read_users(folder: Folder, name: str) -> pa.Table:
  """Reads the file of users: bars, tabs or double colons between columns."""
  types = movielens_users.types(name)
  if name == 'users.dat':
    table = _read_dat(folder, name, types, 'ascii')
  elif name == 'u.user':
    table = _read(folder, name, types, names=list(types), delimiter='|')
  else:
    table = _read(folder, name, types, delimiter='\t')
  return movielens_users.make(table, folder.path / name)


def _read_publisher_100k(folder: Folder, size: str) -> Tables:
  """Reads `u.data`, `u.item` and `u.genre`: tabs and bars, latin-1."""
  del size
  ratings = _read(
      folder,
      'u.data',
      dict(zip('uirt', _RATING_TYPES, strict=True)),
      names=['u', 'i', 'r', 't'],
      delimiter='\t',
  )
  genres = _read(
      folder,
      'u.genre',
      {'genre': pa.string(), 'number': pa.int64()},
      names=['genre', 'number'],
      delimiter='|',
      encoding='latin1',
  )['genre'].to_pylist()
  columns = ['item_id', 'title', 'date', 'video_date', 'url']
  texts = dict.fromkeys(columns, pa.string())
  films = _read(
      folder,
      'u.item',
      texts | dict.fromkeys((f'genre {g}' for g in genres), pa.int8()),
      names=[*columns, *(f'genre {g}' for g in genres)],
      delimiter='|',
      encoding='latin1',
  )
  flags = [
      pc.equal(pc.fill_null(films[f'genre {g}'], 0), 1).to_numpy()
      for g in genres
  ]
  rows, numbers = np.nonzero(np.stack(flags, 1))
  counts = np.bincount(rows, minlength=films.num_rows)
  names = pa.ListArray.from_arrays(
      pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32()),
      pa.array(genres).take(pa.array(numbers)),
  )
  return _tables(ratings, films['item_id'], films['title'], names)


def _read_recbole(folder: Folder, size: str) -> Tables:
  """Reads `ml-100k.inter` and `ml-100k.item`: RecBole's atomic files, UTF-8."""
  del size
  names = (
      'user_id:token',
      'item_id:token',
      'rating:float',
      'timestamp:float',
  )
  ratings = _read(
      folder,
      'ml-100k.inter',
      dict(zip(names, _RATING_TYPES, strict=True)),
      delimiter='\t',
  )
  names = ('movie_title:token_seq', 'release_year:token')
  films = _read(
      folder,
      'ml-100k.item',
      dict.fromkeys(('item_id:token', *names, 'class:token_seq'), pa.string()),
      delimiter='\t',
  )
  # Its converter split the title at the last pair of parentheses, whatever
  # was in them: put together, it is the publisher's title again.
  title, year = films[names[0]], films[names[1]]
  joined = pc.binary_join_element_wise(title, ' (', year, ')', '')
  nothing = pc.and_(
      pc.equal(title, _RECBOLE_UNKNOWN), pc.equal(year, _RECBOLE_UNKNOWN)
  )
  return _tables(
      ratings,
      films['item_id:token'],
      pc.if_else(nothing, 'unknown', joined),
      pc.split_pattern(films['class:token_seq'], ' '),
  )


def _read_double_colons(folder: Folder, size: str) -> Tables:
  """Reads `ratings.dat` and `movies.dat` of 1m and 10m."""
  ratings = _read_dat(
      folder,
      'ratings.dat',
      dict(zip('uirt', _RATING_TYPES, strict=True)),
      'ascii',
  )
  films = _read_dat(
      folder,
      'movies.dat',
      dict.fromkeys(('item_id', 'title', 'genres'), pa.string()),
      'latin1' if size == '1m' else 'utf8',
  )
  genres = pc.split_pattern(films['genres'], '|')
  return _tables(ratings, films['item_id'], films['title'], genres)


def _read_commas(folder: Folder, size: str) -> Tables:
  """Reads `ratings.csv` and `movies.csv` of 20m and everything later."""
  del size
  names = ('userId', 'movieId', 'rating', 'timestamp')
  ratings = _read(
      folder, 'ratings.csv', dict(zip(names, _RATING_TYPES, strict=True))
  )
  films = _read(
      folder,
      'movies.csv',
      dict.fromkeys(('movieId', 'title', 'genres'), pa.string()),
      quoted=True,
  )
  genres = pc.split_pattern(films['genres'], '|')
  return _tables(ratings, films['movieId'], films['title'], genres)


def _read_dat(
    folder: Folder, name: str, types: Mapping[str, pa.DataType], encoding: str
) -> pa.Table:
  """Reads a file with two colons between columns and no header."""

  def open_file() -> BinaryIO:
    # The reader knows delimiters of one character only.
    with folder.open(name) as file:
      return io.BytesIO(file.read().replace(b'::', b'\t'))

  return reading.read_delimited(
      open_file,
      folder.path / name,
      types,
      names=list(types),
      delimiter='\t',
      encoding=encoding,
      quoted=False,
  )


def _read(
    folder: Folder,
    name: str,
    types: Mapping[str, pa.DataType],
    *,
    quoted: bool = False,
    **options,
) -> pa.Table:
  """Reads a file with one character between columns."""
  return reading.read_delimited(
      lambda: folder.open(name),
      folder.path / name,
      types,
      quoted=quoted,
      **options,
  )


def split_year(titles: pa.Array) -> tuple[pa.Array, pa.Array]:
  """Takes the year out of the publisher's titles.

  Args:
    titles: strings [n].

  Returns:
    titles [n], and years [n] as strings, null where a title has none.

  >>> titles, years = split_year(pa.array([
  ...     'Toy Story (1995)', 'Usual Suspects, The (1995)', 'Babylon 5',
  ...     'Death Note (2006–2007)', 'Land Before Time III (1995) (V)']))
  >>> titles.to_pylist()[:3]
  ['Toy Story', 'Usual Suspects, The', 'Babylon 5']
  >>> titles.to_pylist()[3:]
  ['Death Note', 'Land Before Time III']
  >>> years.to_pylist()
  ['1995', '1995', None, '2006', '1995']
  """
  parts = pc.extract_regex(titles, _TITLE_AND_YEAR)
  bare = pc.coalesce(pc.struct_field(parts, 'title'), titles)
  # Some films have two blanks in their titles, or one at an end.
  bare = pc.replace_substring_regex(bare, r'\s+', ' ')
  return pc.utf8_trim_whitespace(bare), pc.struct_field(parts, 'year')


def in_canonical_order(ratings: pa.Table) -> pa.Table:
  """Sorts ratings by user, time and item number.

  Users rated many films within the same second, and 100k and 1m list them in no
  order, while from 20m on the rows of a user are sorted by film: the order of
  the rows says nothing of the order of the choices. Sorted, every form of the
  data gives the same histories, however its rows came.

  Args:
    ratings: user, item, rating and time, in this order; ids are numbers,
      whatever their type.

  Returns:
    The same rows.
  """
  user_ids, item_ids, _, times = ratings.columns
  keys = pa.table(
      {
          'user': pc.cast(user_ids, pa.int64()),
          'time': times,
          'item': pc.cast(item_ids, pa.int64()),
      }
  )
  order = [(name, 'ascending') for name in keys.column_names]
  return ratings.take(pc.sort_indices(keys, sort_keys=order))


def _tables(
    ratings: pa.Table, item_ids: pa.Array, titles: pa.Array, genres: pa.Array
) -> Tables:
  """Puts the columns of any form together.

  Args:
    ratings: user, item, rating and time, in this order.
    item_ids: strings [num_items].
    titles: the publisher's titles, with the year in parentheses [num_items].
    genres: list<string> [num_items].
  """
  if isinstance(genres, pa.ChunkedArray):
    genres = genres.combine_chunks()
  titles, years = split_year(titles)
  user_ids, rated_ids, values, times = in_canonical_order(ratings).columns
  return Tables(
      tables.make_items(
          item_ids, titles, reading.single_paths(genres, _NO_GENRE), year=years
      ),
      tables.make_interactions(
          user_ids, rated_ids, times, ratings=values, time_kind='absolute'
      ),
  )


_FORMS: dict[tuple[str, ...], Callable[[Folder, str], Tables]] = {
    ('u.data', 'u.item', 'u.genre'): _read_publisher_100k,
    ('ml-100k.inter', 'ml-100k.item'): _read_recbole,
    ('ratings.dat', 'movies.dat'): _read_double_colons,
    ('ratings.csv', 'movies.csv'): _read_commas,
}
