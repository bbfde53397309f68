# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Assignment as an Apache Beam pipeline, for catalogs beyond one machine.

Workers read ranges of the embeddings and leave shards of codes; the machine
that launched them makes the SID table of these. All of them see the tokenizer,
the embeddings and the shards under the same paths. The only user of Beam.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
import os
import pathlib
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import items as item_files
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import collisions as collision_rules
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_kinds

try:
  import apache_beam as beam
  from apache_beam.io import parquetio
  from apache_beam.options import pipeline_options
except ModuleNotFoundError as error:
  raise ModuleNotFoundError(
      "Apache Beam is not installed: pip install 'plum-jax[beam]'",
      name='apache_beam',
  ) from error

# In this process. Beam's own choice would download another runner.
LOCAL_RUNNER = 'apache_beam.runners.portability.fn_api_runner.FnApiRunner'
# Chunks that a worker takes at a time: 131,072 items, our choice.
RANGE_CHUNKS = 64
_ROW, _CODES = 'row', 'codes'


def make_table(
    path: str | os.PathLike[str],
    *,
    tokenizer_directory: str | os.PathLike[str],
    embeddings_directory: str | os.PathLike[str],
    catalog_directory: str | os.PathLike[str],
    collisions: str = collision_rules.DISAMBIGUATION,
    disambiguation_size: int | None = None,
    pipeline_flags: Sequence[str] = (),
    range_chunks: int = RANGE_CHUNKS,
) -> sid_table.SidTable:
  """Gives every item of a catalog a Semantic ID.

  The table equals that of `assign.assign` and `sid_table.make`, if workers and
  this machine compute alike; on processors of different kinds an item that lies
  between two codes to the last bit may get either.

  Args:
    path: the file of the SID table to appear. Shards of codes lie in a folder
      beside it until then.
    tokenizer_directory: the frozen tokenizer.
    embeddings_directory: of the stage `item_embeddings`.
    catalog_directory: of the stage `catalog`, which they were made from.
    collisions: how collisions are resolved, one of `collisions.KINDS`.
    disambiguation_size: see `sid_table.make`.
    pipeline_flags: Beam's own, such as `--runner=DataflowRunner`; without a
      runner all runs in this process.
    range_chunks: chunks of `assign.CHUNK_ITEMS` that a worker takes at a time.

  Returns:
    The table.

  Raises:
    InputError: tokenizer, embeddings and catalog do not fit one another or
      cannot be read, or workers write to another disk.
    RuntimeError: see `write_shards`.
  """
  tokenizer = tokenizer_kinds.load(tokenizer_directory)
  embeddings = _load_embeddings(tokenizer, embeddings_directory)
  items = item_files.open_items(catalog_directory)
  manifest.check_input(
      embeddings_directory,
      'items',
      pathlib.Path(catalog_directory) / item_files.FILE_NAME,
  )
  path = pathlib.Path(path).absolute()
  path.parent.mkdir(parents=True, exist_ok=True)
  # Named like what `artifacts.atomic` leaves, and cleared up with it, if this
  # process is killed.
  with tempfile.TemporaryDirectory(
      prefix=f'.partial-{path.name}-', dir=path.parent
  ) as shards:
    write_shards(
        shards,
        tokenizer_directory=tokenizer_directory,
        embeddings_directory=embeddings_directory,
        num_items=embeddings.num_items,
        pipeline_flags=pipeline_flags,
        range_chunks=range_chunks,
    )
    codes = read_shards(
        shards, embeddings.num_items, len(tokenizer.codebook_sizes)
    )
  next_codes = None
  if collisions == collision_rules.NEAREST_FREE:
    next_codes = collision_rules.choices_of(tokenizer, embeddings)
  table = sid_table.make(
      items.read(columns=['item_id']).column(0),
      codes,
      codebook_sizes=tokenizer.codebook_sizes,
      tokenizer_hash=tokenizers.tokenizer_hash(tokenizer_directory),
      disambiguation_size=disambiguation_size,
      next_codes=next_codes,
  )
  table.save(path)
  return table


def write_shards(
    directory: str | os.PathLike[str],
    *,
    tokenizer_directory: str | os.PathLike[str],
    embeddings_directory: str | os.PathLike[str],
    num_items: int,
    pipeline_flags: Sequence[str] = (),
    range_chunks: int = RANGE_CHUNKS,
) -> None:
  """Runs the pipeline: codes of all items, as Parquet shards.

  Args:
    directory: an empty folder for the shards, with columns `row` int64 and
      `codes` list of int32; rows in no order.
    tokenizer_directory: the frozen tokenizer.
    embeddings_directory: of the stage `item_embeddings`.
    num_items: its number of rows.
    pipeline_flags: see `make_table`.
    range_chunks: see `make_table`.

  Raises:
    RuntimeError: a worker failed; Beam puts its error into the text, such as an
      `InputError` about another tokenizer or a value that is not finite.
  """
  step = range_chunks * assign.CHUNK_ITEMS
  ranges = [
      (begin, min(begin + step, num_items))
      for begin in range(0, num_items, step)
  ]
  schema = pa.schema([(_ROW, pa.int64()), (_CODES, pa.list_(pa.int32()))])
  options = pipeline_options.PipelineOptions(list(pipeline_flags))
  chosen = options.view_as(pipeline_options.StandardOptions).runner
  with beam.Pipeline(chosen or LOCAL_RUNNER, options) as pipeline:
    _ = (
        pipeline
        | 'Ranges' >> beam.Create(ranges)
        # Else a runner may hand all of them to one worker.
        | 'Spread' >> beam.Reshuffle()
        | 'Assign'
        >> beam.ParDo(
            _AssignRange(
                os.path.abspath(tokenizer_directory),
                os.path.abspath(embeddings_directory),
                tokenizers.tokenizer_hash(tokenizer_directory),
            )
        )
        | 'Write'
        >> parquetio.WriteToParquetBatched(
            os.path.join(os.path.abspath(directory), 'codes'),
            schema,
            file_name_suffix='.parquet',
        )
    )


class _AssignRange(beam.DoFn):
  """Assigns a range of items with a tokenizer that is loaded once."""

  def __init__(
      self,
      tokenizer_directory: str,
      embeddings_directory: str,
      tokenizer_hash: str,
  ):
    self._tokenizer_directory = tokenizer_directory
    self._embeddings_directory = embeddings_directory
    self._hash = tokenizer_hash
    self._num_assigned = beam.metrics.Metrics.counter('plum_jax', 'items')

  def setup(self) -> None:
    """Loads the tokenizer and opens the embeddings; Beam calls it."""
    found = tokenizers.tokenizer_hash(self._tokenizer_directory)
    if found != self._hash:
      raise InputError(
          'This worker finds another tokenizer than the one it is to use.',
          where=self._tokenizer_directory,
          expected=f'content hash {self._hash}, got {found}',
          fix='Share one folder between all workers.',
      )
    self._tokenizer = tokenizer_kinds.load(self._tokenizer_directory)
    self._embeddings = _load_embeddings(
        self._tokenizer, self._embeddings_directory
    )

  def process(self, element: tuple[int, int]) -> Iterator[pa.Table]:
    """Gives one table per range."""
    begin, end = element
    codes = np.concatenate(
        [
            chunk.codes
            for chunk in assign.chunks(
                self._tokenizer, self._embeddings, begin=begin, end=end
            )
        ]
    )
    self._num_assigned.inc(len(codes))
    offsets = np.arange(len(codes) + 1, dtype=np.int32) * codes.shape[1]
    yield pa.table(
        {
            _ROW: np.arange(begin, end),
            _CODES: pa.ListArray.from_arrays(offsets, codes.ravel()),
        }
    )


def read_shards(
    directory: str | os.PathLike[str], num_items: int, num_levels: int
) -> np.ndarray:
  """Puts codes from shards into the order of the items.

  Args:
    directory: a folder that `write_shards` filled.
    num_items: how many items there must be.
    num_levels: how many codes each has.

  Returns:
    int32 [num_items, num_levels].

  Raises:
    InputError: items are missing or come twice.
  """
  codes = np.zeros((num_items, num_levels), np.int32)
  counts = np.zeros(num_items, np.int32)
  for rows, values in _batches(pathlib.Path(directory).glob('codes-*')):
    codes[rows] = values.reshape(-1, num_levels)
    np.add.at(counts, rows, 1)
  if np.any(counts != 1):
    row = int(np.argmax(counts != 1))
    raise InputError(
        f'{int(np.sum(counts == 0))} items got no codes, '
        f'{int(np.sum(counts > 1))} got them more than once.',
        where=f'{directory}, row {row}',
        expected='codes once for each item',
        fix='Let all workers write to a folder that this machine reads.',
    )
  return codes


def _batches(
    paths: Iterable[pathlib.Path],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  for path in paths:
    for batch in pq.ParquetFile(path).iter_batches():
      yield (
          batch.column(_ROW).to_numpy(),
          batch.column(_CODES).flatten().to_numpy(),
      )


def _load_embeddings(
    tokenizer: tokenizers.Tokenizer, directory: str | os.PathLike[str]
) -> inputs.TokenizerInputs:
  """Opens the modalities that a tokenizer reads, in its order."""
  names = [name for name, _ in tokenizer.modality_sizes]
  embeddings = inputs.load(directory, names)
  assign.check_modalities(tokenizer, embeddings)
  return embeddings
