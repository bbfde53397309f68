# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The catalog's items, read in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import os
import pathlib

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from plum_jax.artifacts.errors import InputError

FILE_NAME = 'items.parquet'


def open_items(catalog_directory: str | os.PathLike[str]) -> pq.ParquetFile:
  """Opens the items of a catalog.

  Args:
    catalog_directory: the artifact of the stage `catalog`.

  Returns:
    The open file; row i is item number i.

  Raises:
    InputError: there is no such file, or it has no items.
  """
  path = pathlib.Path(catalog_directory) / FILE_NAME
  try:
    file = pq.ParquetFile(path)
  except (OSError, pa.ArrowInvalid) as error:
    raise InputError(
        f'The items cannot be read: {error}.',
        where=path,
        expected='the Parquet file that the stage catalog writes',
        fix='Run the stage catalog, or correct the path.',
    ) from error
  if not file.metadata.num_rows:
    raise InputError(
        'The catalog has no items.',
        where=path,
        expected='at least one item',
        fix='Run the stage catalog on data with items.',
    )
  return file


def read_chunks(
    file: pq.ParquetFile,
    columns: Sequence[str],
    num_rows: int,
    begin: int = 0,
) -> Iterator[pa.RecordBatch]:
  """Reads rows from `begin` to the end without keeping them.

  Args:
    file: the open file.
    columns: the columns to read.
    num_rows: rows of a chunk, at most.
    begin: the first row; row groups before it are not read.

  Yields:
    Some rows at a time.
  """
  groups = [
      file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)
  ]
  ends = np.cumsum(groups)
  first = int(np.searchsorted(ends, begin, side='right'))
  skip = begin - (int(ends[first - 1]) if first else 0)
  for batch in file.iter_batches(
      num_rows, row_groups=range(first, len(groups)), columns=list(columns)
  ):
    skipped = min(skip, batch.num_rows)
    skip -= skipped
    if skipped < batch.num_rows:
      yield batch.slice(skipped)
