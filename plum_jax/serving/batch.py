# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommendations for files of histories: a file out for every file in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
import hashlib
import json
import logging
import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.artifacts.progress import Progress
from plum_jax.serving import shard_files
from plum_jax.serving.bundle import Bundle
from plum_jax.serving.engine import Engine
from plum_jax.serving.engine import EngineConfig
from plum_jax.serving.engine import Pending
from plum_jax.serving.engine import Results
from plum_jax.serving.prompt_format import Histories

SKIP, ERROR = 'skip', 'error'
# Readers of folders of Parquet files pass over names that begin so.
SETTINGS_FILE = '_recommend.json'
_LOGGER = logging.getLogger('plum_jax')
_BATCHES_PER_CHUNK = 16
_NOTHING = Results(
    np.zeros((0, 0), np.int32),
    np.zeros((0, 0), np.float32),
    np.zeros((0, 0), bool),
)


@dataclasses.dataclass(frozen=True)
class BatchConfig:
  """How files are worked through.

  Attributes:
    k: items for each row, at most.
    batch_size: rows at a time.
    exclude_history: whether items of the history are left out; None for what
      the bundle says.
    max_history: the longest history whose items can be left out.
    unknown_items: what becomes of item ids that the bundle does not have:
      `skip`, they are left out and counted; or `error`.
    output_format: `.parquet` or `.jsonl`; empty for that of each input.
  """

  k: int
  batch_size: int = 64
  exclude_history: bool | None = None
  max_history: int = 512
  unknown_items: str = SKIP
  output_format: str = ''


def recommend(
    bundle: Bundle,
    pattern: str,
    output: str | os.PathLike[str],
    config: BatchConfig,
    *,
    allow: Sequence[str] | None = None,
    deny: Sequence[str] = (),
) -> None:
  """Writes a file of recommendations for every file of histories.

  Rows of an output stand for the rows of its input, in their order, each once:
  `user_id` if the input has it, `item_ids` list<string> and `scores`
  list<float>, best first, and `num_unknown` int32, the item ids of the history
  that the bundle does not have. A row may have fewer than k items, if fewer may
  be returned; none, if the generator needs a history and none is known.

  A file appears when it is finished, so that the same call goes on after a
  kill. A folder with recommendations of another bundle, or of other `k`,
  `exclude_history` or lists, is refused.

  Args:
    bundle: what is served.
    pattern: the files of histories; see `shard_files`.
    output: a folder, which is made if it is not there.
    config: how to work through them.
    allow: the only items that are returned; None for all.
    deny: items that are never returned.

  Raises:
    InputError: a file cannot be read, an item is not known, a history is too
      long, or the folder holds other recommendations.
  """
  paths = shard_files.find(pattern)
  output = pathlib.Path(output)
  candidates = _candidates(bundle, allow, deny)
  _check(bundle, config)
  exclude = config.exclude_history
  if exclude is None:
    exclude = bundle.search.exclude_history
  _claim(output, _settings(bundle, config.k, exclude, candidates))
  atomic.remove_leftovers(output)
  targets = [
      output / (path.stem + (config.output_format or path.suffix))
      for path in paths
  ]
  rows = [shard_files.num_rows(path) for path in paths]
  done = [target.exists() for target in targets]
  position = sum(n for n, is_done in zip(rows, done, strict=True) if is_done)
  _LOGGER.info('recommend: %d of %d files are done', sum(done), len(done))
  if all(done):
    return
  worker = _Worker(
      Engine(
          bundle,
          EngineConfig((config.batch_size,), config.max_history, 0),
          candidates=candidates,
      ),
      config,
      exclude,
  )
  progress = Progress('recommend', sum(rows), 'rows', start=position)
  for path, target, is_done in zip(paths, targets, done, strict=True):
    if is_done:
      continue
    with shard_files.write(target) as add:
      for table in worker.recommend(path):
        add(table)
        position += len(table)
        progress.update(position)
  _LOGGER.info(
      'recommend: %d item ids were not known, %d rows got no item',
      worker.num_unknown,
      worker.num_empty,
  )


def _check(bundle: Bundle, config: BatchConfig) -> None:
  """Refuses options that have no such value."""
  for name, value, allowed in (
      ('k', config.k, range(1, bundle.search.beam_size + 1)),
      ('batch_size', config.batch_size, range(1, 1 << 16)),
      ('max_history', config.max_history, range(1, 1 << 20)),
      ('unknown_items', config.unknown_items, (SKIP, ERROR)),
      (
          'output_format',
          config.output_format,
          ('', shard_files.PARQUET, shard_files.JSON_LINES),
      ),
  ):
    if value not in allowed:
      raise InputError(
          f'{name} is {value!r}.',
          where=f'--{name}',
          expected=f'{allowed.start} to {allowed.stop - 1}'
          if isinstance(allowed, range)
          else f'one of {allowed}',
          fix='Correct the value; the bundle was made for as many items as its '
          'search has beams.'
          if name == 'k'
          else 'Correct the value.',
      )


def _candidates(
    bundle: Bundle, allow: Sequence[str] | None, deny: Sequence[str]
) -> np.ndarray | None:
  """Returns the numbers of the items that may be returned; None for all."""
  if allow is None and not deny:
    return None
  wanted = np.full(bundle.table.num_items, allow is None)
  for ids, value in ((allow or (), True), (deny, False)):
    rows = bundle.table.item_rows(pa.array(ids, pa.string()))
    wanted[rows[rows >= 0]] = value
    if np.any(rows < 0):
      _LOGGER.warning(
          'recommend: %d items of a list are not known', np.sum(rows < 0)
      )
  if not wanted.any():
    raise InputError(
        'No item may be returned.',
        where='--allow, --deny',
        expected='at least one item of the bundle',
        fix='Correct the lists.',
    )
  return np.flatnonzero(wanted)


def _settings(
    bundle: Bundle,
    k: int,
    exclude_history: bool,
    candidates: np.ndarray | None,
) -> dict[str, object]:
  """Returns what recommendations depend on, as JSON values."""
  listed = None
  if candidates is not None:
    listed = hashlib.sha256(candidates.astype('<i8').tobytes()).hexdigest()
  return {
      'bundle': bundle.version,
      'k': k,
      'exclude_history': exclude_history,
      'candidates': listed,
  }


def _claim(output: pathlib.Path, settings: dict[str, object]) -> None:
  """Marks a folder with its settings, or refuses another's."""
  path = output / SETTINGS_FILE
  text = json.dumps(settings, indent=2) + '\n'
  if path.exists():
    if path.read_text('utf-8') == text:
      return
  elif not output.exists() or all(  # A lock is no recommendation.
      found.name.startswith('.') for found in output.iterdir()
  ):
    with atomic.write_file(path) as temporary:
      temporary.write_text(text, 'utf-8')
    return
  raise InputError(
      'The folder holds something else than these recommendations.',
      where=path,
      expected='a folder that is empty, or that the same bundle and options '
      'were used for',
      fix='Choose another --output, or delete the folder.',
  )


class _Worker:
  """Works through the rows of files."""

  def __init__(
      self, engine: Engine, config: BatchConfig, exclude_history: bool
  ):
    self._engine, self._config = engine, config
    self._exclude_history = exclude_history
    self.num_unknown = self.num_empty = 0

  def recommend(self, path: pathlib.Path) -> Iterator[pa.Table]:
    """Yields the recommendations for a file's rows, in their order."""
    size = self._config.batch_size
    # A search is handed out before the one before it is fetched: the device
    # stays busy.
    waiting: list[tuple[Pending, pa.Table, np.ndarray, np.ndarray]] = []
    first_row = 0
    for chunk in shard_files.read(path, size * _BATCHES_PER_CHUNK):
      if not len(chunk):
        yield self._layout(chunk, _NOTHING, np.zeros(0, int), np.zeros(0, int))
        continue
      histories, unknown = self._histories(chunk, path, first_row)
      first_row += len(chunk)
      for start in range(0, len(chunk), size):
        part = _slice(histories, start, size)
        rows = slice(start, start + part.num_users)
        pending = self._engine.start_rows(part, self._excluded(part))
        waiting.append((pending, chunk[rows], part.lengths, unknown[rows]))
        if len(waiting) > 1:
          yield self._fetch(*waiting.pop(0))
    if waiting:
      yield self._fetch(*waiting.pop(0))

  def _histories(
      self, chunk: pa.Table, path: pathlib.Path, first_row: int
  ) -> tuple[Histories, np.ndarray]:
    """Finds the items of histories; counts those that are not known."""
    column = chunk['history'].combine_chunks()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    ids = pc.list_flatten(column)
    items = self._engine.bundle.table.item_rows(ids)
    users = np.repeat(np.arange(len(chunk)), lengths)
    known = items >= 0
    unknown = np.bincount(users[~known], minlength=len(chunk))
    if self._config.unknown_items == ERROR and not known.all():
      first = int(np.argmin(known))
      raise InputError(
          f'The item {ids[first].as_py()!r} is not known.',
          where=f'{path}, row {first_row + int(users[first])}',
          expected='an item of the bundle',
          fix='Correct the id, or choose --unknown_items=skip.',
      )
    lengths = lengths - unknown
    if self._exclude_history and lengths.max() > self._config.max_history:
      row = int(np.argmax(lengths))
      raise InputError(
          f'The history has {lengths[row]} items.',
          where=f'{path}, row {first_row + row}',
          expected=f'at most {self._config.max_history}, since all are left '
          'out',
          fix='Raise --max_history.',
      )
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return Histories(items[known], offsets), unknown

  def _excluded(self, histories: Histories) -> np.ndarray:
    width = self._config.max_history
    if self._exclude_history:
      return histories.newest(width)
    return np.full((histories.num_users, width), -1, np.int32)

  def _fetch(
      self,
      pending: Pending,
      chunk: pa.Table,
      lengths: np.ndarray,
      unknown: np.ndarray,
  ) -> pa.Table:
    """Waits for a search."""
    return self._layout(chunk, pending.fetch(), lengths, unknown)

  def _layout(
      self,
      chunk: pa.Table,
      results: Results,
      lengths: np.ndarray,
      unknown: np.ndarray,
  ) -> pa.Table:
    """Lays out what a search found for rows."""
    bundle, k = self._engine.bundle, self._config.k
    valid = results.valid[:, :k]
    if bundle.prompt.needs_history:
      valid = valid & (lengths > 0)[:, None]
    self.num_unknown += int(unknown.sum())
    self.num_empty += int(np.sum(~valid.any(axis=1)))
    counts = valid.sum(axis=1)
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32())
    ids = bundle.table.item_ids.take(pa.array(results.item_ids[:, :k][valid]))
    scores = pa.array(results.scores[:, :k][valid])
    columns = {
        'item_ids': pa.ListArray.from_arrays(offsets, ids),
        'scores': pa.ListArray.from_arrays(offsets, scores),
        'num_unknown': pa.array(unknown, pa.int32()),
    }
    if 'user_id' in chunk.column_names:
      columns = {'user_id': chunk['user_id'], **columns}
    return pa.table(columns)


def _slice(histories: Histories, start: int, size: int) -> Histories:
  """Returns the histories of some users, one after another."""
  offsets = histories.offsets[start : start + size + 1]
  items = histories.items[offsets[0] : offsets[-1]]
  return Histories(items, offsets - offsets[0])
