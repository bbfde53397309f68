# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Amazon Reviews 2014, 5-core: what TIGER, S3-Rec and P5 are measured on.

J. McAuley, C. Targett, Q. Shi and A. van den Hengel. Image-based
recommendations on styles and substitutes. SIGIR 2015.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
import dataclasses
import gzip
import html
import json
import logging
import pathlib
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError
from plum_jax.artifacts.progress import Progress
from plum_jax.catalog import tables
from plum_jax.catalog.sources import reading
from plum_jax.catalog.tables import Tables

_LOGGER = logging.getLogger('plum_jax')

_URL = 'https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/'
# (users, items, interactions) of the 5-core; no checksums are published, so
# these are what a download is checked against.
_COUNTS = {
    'Beauty': (22_363, 12_101, 198_502),
    'Sports_and_Outdoors': (35_598, 18_357, 296_337),
    'Toys_and_Games': (19_412, 11_924, 167_597),
}
_TERMS = """\
Amazon Reviews 2014 is research data of Julian McAuley, UCSD. The publisher
states no licence and asks to cite:
- R. He and J. McAuley. Ups and downs: modeling the visual evolution of fashion
  trends with one-class collaborative filtering. WWW 2016.
- J. McAuley, C. Targett, Q. Shi and A. van den Hengel. Image-based
  recommendations on styles and substitutes. SIGIR 2015.
See https://jmcauley.ucsd.edu/data/amazon/."""
_TEXTS = ('brand', 'price', 'description')
# How a line of the metadata begins, in either of its notations.
_FIRST_KEY = re.compile(r"""\{['"]asin['"]:\s*['"]([^'"\\]+)['"]""")


@dataclasses.dataclass(frozen=True)
class Amazon2014:
  """One category of Amazon Reviews 2014, 5-core.

  Items are those with a review, in the order of the metadata file. Times are
  days; reviews of one day stay in the order of the file.

  Attributes:
    category: as in the publisher's file names: Beauty, Sports_and_Outdoors,
      Toys_and_Games …
    path: the folder with `reviews_<category>_5.json.gz` and
      `meta_<category>.json.gz`. If empty, both are downloaded.
  """

  category: str = 'Beauty'
  path: str = ''

  def __post_init__(self):
    """Refuses what cannot be part of a file name."""
    if not re.fullmatch(r'\w+', self.category):
      raise InputError(
          f'{self.category!r} is no category.',
          where='Amazon2014.category',
          expected='a name such as Beauty or Sports_and_Outdoors',
          fix="Take it from the publisher's file names.",
      )

  @property
  def name(self) -> str:
    """Names the data set, `amazon2014-beauty`."""
    return f'amazon2014-{self.category.lower()}'

  @property
  def _file_names(self) -> tuple[str, str]:
    return (
        f'reviews_{self.category}_5.json.gz',
        f'meta_{self.category}.json.gz',
    )

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds the local files; none if the data is downloaded."""
    if not self.path:
      return {}
    folder = pathlib.Path(self.path)
    expected = f'a folder with {" and ".join(self._file_names)}'
    return {
        name: reading.local_path(folder / name, expected)
        for name in self._file_names
    }

  def parameters(self) -> Mapping[str, Any]:
    """Returns the category, and the counts that a download must have."""
    counts = () if self.path else _COUNTS.get(self.category, ())
    return {
        'source': 'Amazon2014',
        'category': self.category,
        'counts': list(counts),
    }

  def read(self) -> Tables:
    """Reads the local files, or downloads them first."""
    if self.path:
      _LOGGER.info('%s: reading %s', self.name, self.path)
      return read_files(*self.inputs().values())
    _LOGGER.info('%s: no local path is given', self.name)
    folder = download.cache_directory() / 'amazon2014'
    paths = [
        download.fetch(_URL + name, folder / name, terms=_TERMS)
        for name in self._file_names
    ]
    read = read_files(*paths)
    found = (
        len(read.interactions['user_id'].unique()),
        read.items.num_rows,
        read.interactions.num_rows,
    )
    if found != _COUNTS.get(self.category, found):
      raise InputError(
          f'The download has {found} users, items and interactions.',
          where=', '.join(map(str, paths)),
          expected=f'{_COUNTS[self.category]}, as the papers state',
          fix='Delete the files and run the same command again.',
      )
    return read


def read_files(reviews: pathlib.Path, metadata: pathlib.Path) -> Tables:
  """Reads the two files of a category.

  Args:
    reviews: gzipped JSON lines with `reviewerID`, `asin`, `overall` (1 to 5)
      and `unixReviewTime`.
    metadata: gzipped lines, each an object in JSON or in Python's notation,
      with `asin` and, where known, `title`, `brand`, `price`, `description`
      and `categories`. A reviewed item without a line has no texts.

  Raises:
    InputError: a file is broken or of another form.
  """
  types = {
      'reviewerID': pa.string(),
      'asin': pa.string(),
      'overall': pa.float32(),
      'unixReviewTime': pa.int64(),
  }
  table = reading.read_json_lines(reviews, types, others=False)
  reviewed = dict.fromkeys(pc.drop_null(table['asin'].unique()).to_pylist())
  records = _read_metadata(metadata, reviewed)
  described = {record['asin'] for record in records}
  bare = [item_id for item_id in reviewed if item_id not in described]
  if bare:
    _LOGGER.warning(
        '%d of %d reviewed items, %s first, have no line in %s',
        len(bare),
        len(reviewed),
        bare[0],
        metadata,
    )
    records += [{'asin': item_id} for item_id in bare]
  users, items, ratings, times = table.columns
  return Tables(
      _make_items(records, metadata),
      tables.make_interactions(
          users, items, times, ratings=ratings, time_kind='absolute'
      ),
  )


def _read_metadata(
    path: pathlib.Path, wanted: Mapping[str, None]
) -> list[dict[str, Any]]:
  """Reads the lines of the wanted items.

  A line in Python's notation takes a tenth of a millisecond, and nine in ten
  are of items without enough reviews: those that begin with another item id
  are not parsed.
  """
  records = []
  reporter = Progress(f'read {path.name}', len(wanted), 'items')
  with (
      reading.guarded(path, 'one object a line, in JSON or in Python'),
      gzip.open(path, 'rt', encoding='utf-8') as file,
  ):
    for number, line in enumerate(file, 1):
      begin = _FIRST_KEY.match(line)
      if (begin and begin[1] not in wanted) or not line.strip():
        continue
      record = _parse(line, f'{path}, line {number}')
      if record['asin'] in wanted:
        records.append(record)
        reporter.update(len(records))
  return records


def _parse(line: str, where: str) -> dict[str, Any]:
  """Parses an object in JSON or, as the 2014 files are, in Python's notation.

  >>> _parse("{'asin': 'B1', 'price': 9.5, 'title': None}", 'meta, line 1')
  {'asin': 'B1', 'price': 9.5, 'title': None}
  """
  try:
    record = json.loads(line)
  except ValueError:
    try:
      record = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
      raise InputError(
          f'The line cannot be read: {error}',
          where=where,
          expected='an object in JSON or in the notation of Python',
          fix='Download the file again, or correct the line.',
      ) from error
  if not isinstance(record, dict) or not isinstance(record.get('asin'), str):
    raise InputError(
        'The line is no object with an asin.',
        where=where,
        expected='an object with the field asin',
        fix='Download the file again, or correct the line.',
    )
  return record


def _make_items(records: list[dict[str, Any]], where: object) -> pa.Table:
  """Makes the item table; the publisher's HTML entities become characters."""

  def texts(field: str) -> pa.Array:
    values = (record.get(field) for record in records)
    return pa.array(
        [
            None if value in (None, '') else html.unescape(str(value)).strip()
            for value in values
        ],
        pa.string(),
    )

  categories = [_categories(record, where) for record in records]
  return tables.make_items(
      pa.array([record['asin'] for record in records], pa.string()),
      texts('title'),
      pa.array(categories, tables.ITEM_FIELDS[2].type),
      **{field: texts(field) for field in _TEXTS},
  )


def _categories(record: dict[str, Any], where: object) -> list[list[str]]:
  """Returns the category paths of an item."""
  paths = record.get('categories') or []
  if not isinstance(paths, list) or not all(
      isinstance(path, list) and all(isinstance(name, str) for name in path)
      for path in paths
  ):
    raise InputError(
        f'The categories of {record["asin"]} are {paths!r}.',
        where=where,
        expected='a list of lists of names',
        fix='Download the file again, or correct the line.',
    )
  return [[html.unescape(name) for name in path] for path in paths]
