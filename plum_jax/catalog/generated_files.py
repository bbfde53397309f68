# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generated world as files: those that one's own catalog would bring."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.artifacts import progress
from plum_jax.artifacts import stage
from plum_jax.artifacts.manifest import Manifest
from plum_jax.catalog import impressions
from plum_jax.catalog.generated_world import Chunk
from plum_jax.catalog.generated_world import GeneratedWorld
from plum_jax.catalog.generated_world import World
from plum_jax.catalog.sources import files
from plum_jax.catalog.sources.impression_source import ImpressionFile

FOLDER = 'generated_world'
ITEMS, CLICKS = 'items.parquet', 'clicks.parquet'
IMPRESSIONS, CONTENT = 'impressions.parquet', 'content.npy'
# Chunks that make a row group.
_GROUP = 24


def build(
    directory: str | os.PathLike[str], *, config: GeneratedWorld
) -> Manifest:
  """Generates a world; the same configuration gives the same bytes.

  Args:
    directory: the folder to appear, with `items.parquet`, `clicks.parquet`
      (interactions), `impressions.parquet` and `content.npy` (item
      embeddings). Impressions are written as they are generated.
    config: the world.

  Returns:
    The manifest.
  """

  def make(folder: pathlib.Path, work: pathlib.Path) -> None:
    del work
    write(World(config), folder)

  return stage.run(
      FOLDER,
      directory,
      make,
      inputs={},
      parameters=json.loads(json.dumps(dataclasses.asdict(config))),
      seed=config.seed,
  )


def write(world: World, directory: pathlib.Path) -> None:
  """Writes the four files of a world."""
  names = np.char.add('category ', world.categories.astype(str))
  pq.write_table(
      pa.table(
          {
              'item_id': np.arange(len(names)),
              'title': np.char.add('item ', np.arange(len(names)).astype(str)),
              'categories': [[path] for path in names.tolist()],
              'first_seen': world.first_seen,
          }
      ),
      directory / ITEMS,
  )
  np.save(directory / CONTENT, world.content)
  report = progress.Progress(
      FOLDER, world.config.num_impressions, 'impressions'
  )
  written = 0
  with contextlib.ExitStack() as stack:
    shown, clicked = (
        _Writer(directory / name, stack) for name in (IMPRESSIONS, CLICKS)
    )
    for chunk in world.chunks():
      shown.write(_impressions(chunk))
      clicked.write(_clicks(chunk))
      written += len(chunk.times)
      report.update(written)


class _Writer:
  """Writes batches to a Parquet file, several to a row group."""

  def __init__(self, path: pathlib.Path, stack: contextlib.ExitStack):
    self._path, self._stack = path, stack
    self._writer: pq.ParquetWriter | None = None
    self._batches: list[pa.RecordBatch] = []
    stack.callback(self._finish)

  def write(self, batch: pa.RecordBatch) -> None:
    """Adds a batch."""
    self._batches.append(batch)
    if len(self._batches) == _GROUP:
      self._flush()

  def _flush(self) -> None:
    if not self._batches:
      return
    table = pa.Table.from_batches(self._batches)
    if self._writer is None:
      self._writer = pq.ParquetWriter(
          self._path, table.schema, compression='zstd'
      )
    self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
    self._batches = []

  def _finish(self) -> None:
    self._flush()
    if self._writer is not None:
      self._writer.close()


def _impressions(chunk: Chunk) -> pa.RecordBatch:
  none = chunk.current_items == impressions.NO_ITEM
  return pa.RecordBatch.from_pydict(
      {
          'time': chunk.times,
          'user_id': chunk.users,
          'current_item_id': pa.array(chunk.current_items, mask=none),
          'item_id': chunk.items,
          'click': chunk.clicks.astype(np.int8),
          'watched': pa.array(chunk.watched, mask=np.isnan(chunk.watched)),
      }
  )


def _clicks(chunk: Chunk) -> pa.RecordBatch:
  rows = chunk.clicks
  return pa.RecordBatch.from_pydict(
      {
          'user_id': chunk.users[rows],
          'item_id': chunk.items[rows],
          'time': chunk.times[rows],
          'rating': chunk.watched[rows],
      }
  )


def catalog_source(run_directory: str) -> files.Files:
  """Returns the source of the catalog of a run's world.

  Args:
    run_directory: the run.
  """
  folder = pathlib.Path(run_directory) / FOLDER
  return files.Files(
      items=str(folder / ITEMS),
      interactions=str(folder / CLICKS),
      item_columns=files.ItemColumns(
          categories='categories', first_seen='first_seen'
      ),
      interaction_columns=files.InteractionColumns(rating='rating'),
      data_name=FOLDER,
  )


def impression_source(run_directory: str) -> ImpressionFile:
  """Returns the source of the impressions of a run's world.

  Args:
    run_directory: the run.
  """
  return ImpressionFile(
      path=str(pathlib.Path(run_directory) / FOLDER / IMPRESSIONS),
      current_item_id='current_item_id',
      binary_labels=('click',),
      graded_labels=('watched',),
  )


def content_path(run_directory: str) -> str:
  """Returns the path of the content embeddings of a run's world.

  Args:
    run_directory: the run.
  """
  return str(pathlib.Path(run_directory) / FOLDER / CONTENT)
