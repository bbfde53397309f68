# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Items as JSON lines, and one line of items for each user."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import logging
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog.sources import reading
from plum_jax.catalog.tables import Tables

_LOGGER = logging.getLogger('plum_jax')
_ITEMS = 'items.jsonl'
_SEQUENCES = 'sequences.tsv'
_EXPECTED = f'a folder with {_ITEMS} and {_SEQUENCES}'


@dataclasses.dataclass(frozen=True)
class SequenceFiles:
  """Two files, as research repositories ship their sets.

  `items.jsonl`: one object a line with `item_id` and, where known, `title`,
  `categories` (lists of lists of names) and any further texts.
  `sequences.tsv`: `user_id<TAB>item ids in time order<TAB>seconds since the
  interaction before`, the ids and the seconds separated by blanks. Times are
  relative to each user's first interaction; the order in the line is kept.

  Attributes:
    path: the folder with both files.
  """

  path: str

  @property
  def name(self) -> str:
    """Names the data set by its folder."""
    return pathlib.Path(self.path).name

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds both files."""
    folder = pathlib.Path(self.path)
    return {
        name: reading.local_path(folder / name, _EXPECTED)
        for name in (_ITEMS, _SEQUENCES)
    }

  def parameters(self) -> Mapping[str, Any]:
    """Returns the name of the form."""
    return {'source': 'SequenceFiles'}

  def read(self) -> Tables:
    """Reads both files."""
    _LOGGER.info('%s: reading %s', self.name, self.path)
    paths = self.inputs()
    return Tables(read_items(paths[_ITEMS]), read_sequences(paths[_SEQUENCES]))


def read_items(path: pathlib.Path) -> pa.Table:
  """Reads `items.jsonl`; an item without a title has the empty one.

  Raises:
    InputError: a line is not such an object.
  """
  fixed = {
      'item_id': pa.string(),
      'title': pa.string(),
      'categories': pa.list_(pa.list_(pa.string())),
      'first_seen': pa.int64(),
  }
  table = reading.read_json_lines(path, fixed, others=True)
  texts = [name for name in table.column_names if name not in fixed]
  return tables.make_items(
      *(table[name] for name in fixed),
      **{name: _text(table, name, path) for name in texts},
  )


def _text(table: pa.Table, name: str, path: pathlib.Path) -> pa.ChunkedArray:
  """Returns a column as nullable strings."""
  column = table[name]
  if pa.types.is_nested(column.type):
    raise InputError(
        f'The field {name} has the type {column.type}.',
        where=f'{path}, field {name}',
        expected='a text or a number',
        fix='Join its parts to one text, or remove it.',
    )
  return column.cast(pa.string())


def read_sequences(path: pathlib.Path) -> pa.Table:
  """Reads `sequences.tsv`.

  Raises:
    InputError: a line has no user, no items, not as many gaps as items, a gap
      that is no whole number of at least 0, or the user of another line.
  """
  names = ['user_id', 'items', 'gaps']
  table = reading.read_delimited(
      path,
      path,
      dict.fromkeys(names, pa.string()),
      names=names,
      delimiter='\t',
      quoted=False,
  ).combine_chunks()
  users = table['user_id'].combine_chunks()
  _check_users(users, path)
  empty = pc.equal(pc.utf8_trim_whitespace(table['items']), '')
  _refuse(empty, path, 'The history is empty.', 'at least one item id')
  items = pc.split_pattern(table['items'], ' ').combine_chunks()
  gaps = pc.split_pattern(table['gaps'], ' ').combine_chunks()
  counts = pc.list_value_length(items)
  _refuse(
      pc.not_equal(counts, pc.list_value_length(gaps)),
      path,
      'There are not as many gaps as items.',
      'one gap for each item, the first of them 0',
  )
  lengths = counts.to_numpy()
  starts = np.cumsum(lengths) - lengths
  rows = np.repeat(np.arange(len(lengths)), lengths)
  seconds = gaps.flatten()
  bad = pc.invert(pc.match_substring_regex(seconds, r'^\d{1,18}$'))
  if pc.any(bad).as_py():
    first = pc.index(bad, True).as_py()
    raise InputError(
        f'The gap {seconds[first].as_py()!r} is no whole number of at least 0.',
        where=f'{path}, line {rows[first] + 1}',
        expected='seconds since the interaction before',
        fix='Correct the gap.',
    )
  total = np.cumsum(seconds.cast(pa.int64()).to_numpy())
  # Relative to the first interaction, whatever gap stands before it.
  times = total - np.repeat(total[starts], lengths)
  return tables.make_interactions(
      users.take(pa.array(rows)),
      items.flatten(),
      pa.array(times),
      time_kind='relative',
  )


def _check_users(users: pa.Array, path: pathlib.Path) -> None:
  """Refuses a user with two lines: their order would not be known."""
  seen = users.dictionary_encode()
  if len(seen.dictionary) == len(users):
    return
  codes = seen.indices.to_numpy()
  first = np.unique(codes, return_index=True)[1]
  row = int(np.setdiff1d(np.arange(len(codes)), first)[0])
  raise InputError(
      f'The user {users[row].as_py()!r} has more than one line.',
      where=f'{path}, line {row + 1}',
      expected='one line for each user',
      fix='Join the lines in the order of time.',
  )


def _refuse(bad: pa.Array, path: pathlib.Path, what: str, wanted: str) -> None:
  """Raises if a line is bad."""
  if pc.any(bad).as_py():
    line = pc.index(bad, True).as_py() + 1
    raise InputError(
        what,
        where=f'{path}, line {line}',
        expected=wanted,
        fix='Correct the line or remove it.',
    )
