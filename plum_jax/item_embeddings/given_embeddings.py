# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Embeddings that were made elsewhere, read chunk by chunk and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
import os
import pathlib

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet as pq

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import modalities
from plum_jax.item_embeddings import row_file
from plum_jax.item_embeddings import shards

_VALUES_PER_CHUNK = 1 << 23  # 32 MiB of float32.
_ROWS_PER_CHUNK = 8192
_Array = np.ndarray | row_file.RowFile


@dataclasses.dataclass(frozen=True)
class Rows:
  """Embeddings of some items.

  Attributes:
    items: [n] int64 item numbers.
    vectors: [n, dim] float32, finite; zeros where `present` is False.
    present: [n] bool.
  """

  items: np.ndarray
  vectors: np.ndarray
  present: np.ndarray


def present_path(path: str | os.PathLike[str]) -> pathlib.Path:
  """Returns where the `present` array of a `.npy` file lies.

  Args:
    path: the file of vectors.

  >>> present_path('data/image.npy').name
  'image.present.npy'
  """
  return pathlib.Path(path).with_suffix('.present.npy')


def dim(modality: modalities.FileModality) -> int:
  """Returns the width of the vectors.

  Raises:
    InputError: a file cannot be read, or has no vectors or wider ones than
      another.
  """
  paths = shards.find(modality.path)
  if paths[0].suffix == '.npy':
    return _dim_of_arrays([_open_npy(path) for path in paths], paths)
  for path in paths:
    file = _open_parquet(path, modality)
    kind = file.schema_arrow.field(modality.column).type
    if pa.types.is_fixed_size_list(kind):
      return kind.list_size
    for lists in _read_lists(file, path, modality):
      vectors = lists.drop_null()
      if len(vectors):
        return len(vectors[0])
  raise InputError(
      'The file holds no vector at all.',
      where=f'{modality.path}, column {modality.column}',
      expected='a list of floats for at least one item',
      fix='Correct the file.',
  )


def _dim_of_arrays(
    arrays: Sequence[_Array], paths: Sequence[pathlib.Path]
) -> int:
  for array, path in zip(arrays, paths, strict=True):
    if array.shape[1] != arrays[0].shape[1]:
      raise InputError(
          f'The vectors have {array.shape[1]} numbers.',
          where=path,
          expected=f'{arrays[0].shape[1]} numbers, as in {paths[0].name}',
          fix='Embed all items with one encoder.',
      )
  return arrays[0].shape[1]


def read(
    modality: modalities.FileModality, item_ids: pa.ChunkedArray, dim: int
) -> Iterator[Rows]:
  """Reads and checks all vectors.

  Args:
    modality: the file, or its shards.
    item_ids: [num_items] strings, the catalog's ids in item order.
    dim: width of the vectors, from `dim`.

  Yields:
    Some rows at a time; an item that never comes has no vector.

  Raises:
    InputError: a wrong number of rows, an unknown or a repeated id, a vector
      of another width, or one with NaN or infinite values.
  """
  paths = shards.find(modality.path)
  if paths[0].suffix == '.npy':
    arrays = [_open_npy(path) for path in paths]
    num_rows = sum(len(array) for array in arrays)
    _check_rows(modality.path, num_rows, len(item_ids))
    begin = 0
    for path, array in zip(paths, arrays, strict=True):
      yield from _read_npy(path, array, item_ids, begin)
      begin += len(array)
  else:
    yield from _read_parquet(paths, modality, item_ids, dim)


def _load_npy(path: str | os.PathLike[str]) -> np.ndarray:
  try:
    return np.load(path, mmap_mode='r', allow_pickle=False)
  except (OSError, ValueError) as error:
    raise InputError(
        f'The array cannot be read: {error}.',
        where=path,
        expected='a whole .npy file',
        fix='Write it again with numpy.save.',
    ) from error


def _open_npy(path: pathlib.Path) -> _Array:
  array = _load_npy(path)
  if array.ndim != 2 or not array.shape[1] or array.dtype.kind != 'f':
    raise InputError(
        f'The array has shape {list(array.shape)} and type {array.dtype}.',
        where=path,
        expected='floating point [num_items, dim]',
        fix='Write one vector per item, in the order of items.parquet.',
    )
  # What lies column by column has no rows to read one after another.
  return row_file.RowFile(path) if array.flags.c_contiguous else array


def _read_npy(
    path: pathlib.Path, array: _Array, item_ids: pa.ChunkedArray, first: int
) -> Iterator[Rows]:
  """Reads an array whose first row is item number `first`."""
  if present_path(path).exists():
    present = _load_npy(present_path(path))
    if present.dtype != np.bool_ or present.ndim != 1:
      raise InputError(
          f'The array has shape {list(present.shape)} and type '
          f'{present.dtype}.',
          where=present_path(path),
          expected='bool [num_items]',
          fix='Write one bool per item, in the order of items.parquet.',
      )
    _check_rows(present_path(path), len(present), len(array))
  else:
    present = np.ones(len(array), np.bool_)
  step = max(1, _VALUES_PER_CHUNK // array.shape[1])
  for begin in range(0, len(array), step):
    chunk = np.array(present[begin : begin + step])
    items = np.arange(begin, begin + len(chunk)) + first
    ids = item_ids.slice(first + begin, len(chunk))
    vectors = _finite(array[begin : begin + step], chunk, ids, path, begin)
    yield Rows(items, vectors, chunk)


def _check_rows(
    path: str | os.PathLike[str], num_rows: int, num_items: int
) -> None:
  if num_rows != num_items:
    raise InputError(
        f'There are {num_rows} rows.',
        where=path,
        expected=f'{num_items} rows, one per item of the catalog',
        fix='Write one row per item in the order of items.parquet, or a '
        'Parquet file with item ids.',
    )


def _finite(
    vectors: np.ndarray,
    present: np.ndarray,
    ids: pa.Array | pa.ChunkedArray,
    path: str | os.PathLike[str],
    first_row: int,
) -> np.ndarray:
  """Casts to float32, zeroes absent rows, refuses NaN and infinity.

  Args:
    vectors: [n, dim] of any floating type.
    present: [n] bool.
    ids: [n] item ids, for the message.
    path: the file, for the message.
    first_row: row of the first vector in the file, for the message.

  Returns:
    [n, dim] float32.
  """
  with np.errstate(over='ignore'):  # Too large for float32 is infinite below.
    vectors = np.where(present[:, None], vectors, 0).astype(np.float32)
  bad = ~np.isfinite(vectors).all(axis=1)
  if bad.any():
    row = int(np.argmax(bad))
    raise InputError(
        f'The embedding of item {ids[row].as_py()!r} holds NaN or infinite '
        'values.',
        where=f'{path}, row {first_row + row}',
        expected='finite float32 numbers',
        fix='Compute it again. An item without embedding is marked in '
        '<stem>.present.npy, or left out of a Parquet file.',
    )
  return vectors


def _open_parquet(
    path: pathlib.Path, modality: modalities.FileModality
) -> pq.ParquetFile:
  """Opens a file and checks its columns."""
  try:
    file = pq.ParquetFile(path)
  except (OSError, pa.ArrowInvalid) as error:
    raise InputError(
        f'The embeddings cannot be read: {error}.',
        where=path,
        expected='a .npy or a Parquet file',
        fix='Give the path of such a file, with the ending .npy or .parquet.',
    ) from error
  schema = file.schema_arrow
  for name in (modality.id_column, modality.column):
    if name not in schema.names:
      raise InputError(
          f'The file has no column {name!r}.',
          where=path,
          expected=f'one of {", ".join(schema.names)}',
          fix='Set id_column and column to the names in the file.',
      )
  kind = schema.field(modality.column).type
  lists = (
      pa.types.is_list,
      pa.types.is_large_list,
      pa.types.is_fixed_size_list,
  )
  if not any(is_kind(kind) for is_kind in lists) or not pa.types.is_floating(
      kind.value_type
  ):
    raise InputError(
        f'The column {modality.column} is of type {kind}.',
        where=f'{path}, column {modality.column}',
        expected='lists of floats',
        fix='Store each vector as one list.',
    )
  return file


def _read_parquet(
    paths: Sequence[pathlib.Path],
    modality: modalities.FileModality,
    item_ids: pa.ChunkedArray,
    dim: int,
) -> Iterator[Rows]:
  files = [_open_parquet(path, modality) for path in paths]
  ids = [
      pc.cast(
          file.read(columns=[modality.id_column]).column(0), pa.large_string()
      )
      for file in files
  ]
  items = _item_numbers(ids, item_ids, paths, modality.id_column)
  for path, file, file_ids, file_items in zip(
      paths, files, ids, items, strict=True
  ):
    begin = 0
    for lists in _read_lists(file, path, modality):
      end = begin + len(lists)
      present = lists.is_valid().to_numpy(zero_copy_only=False)
      _check_width(lists, dim, f'{path}, column {modality.column}', begin)
      values = lists.drop_null().flatten().to_numpy(zero_copy_only=False)
      vectors = np.zeros((len(lists), dim), values.dtype)
      vectors[present] = values.reshape(-1, dim)
      chunk_ids = file_ids.slice(begin, len(lists))
      vectors = _finite(vectors, present, chunk_ids, path, begin)
      yield Rows(file_items[begin:end], vectors, present)
      begin = end


def _read_lists(
    file: pq.ParquetFile, path: pathlib.Path, modality: modalities.FileModality
) -> Iterator[pa.Array]:
  """Reads the column of vectors, some rows at a time."""
  try:
    for batch in file.iter_batches(_ROWS_PER_CHUNK, columns=[modality.column]):
      yield batch.column(0)
  except (OSError, pa.ArrowInvalid) as error:
    raise InputError(
        f'The vectors cannot be read: {error}.',
        where=f'{path}, column {modality.column}',
        expected='a whole file; nulls only in lists of variable size, since '
        'PyArrow does not read null lists of a fixed size',
        fix='Write the file again with the type list<float>.',
    ) from error


def _item_numbers(
    ids: Sequence[pa.ChunkedArray],
    item_ids: pa.ChunkedArray,
    paths: Sequence[pathlib.Path],
    column: str,
) -> list[np.ndarray]:
  """Returns item numbers of each file; refuses unknown and repeated ids."""
  everything = pa.chunked_array(
      [chunk for file_ids in ids for chunk in file_ids.chunks],
      pa.large_string(),
  )
  ends = np.cumsum([len(file_ids) for file_ids in ids])

  def where(row: int) -> str:
    file = int(np.searchsorted(ends, row, side='right'))
    begin = int(ends[file - 1]) if file else 0
    return f'{paths[file]}, column {column}, row {row - begin}'

  # One look-up for all files: each builds a hash table of the catalog.
  found = pc.index_in(
      everything, value_set=pc.cast(item_ids, pa.large_string())
  )
  known = pc.is_valid(found).to_numpy()
  if not known.all():
    row = int(np.argmin(known))
    raise InputError(
        f'{int(np.sum(~known))} rows have an item id that the catalog does '
        f'not have, the first is {everything[row].as_py()!r}.',
        where=where(row),
        expected='item ids of items.parquet',
        fix='Leave these rows out, or add the items to the catalog.',
    )
  items = found.to_numpy().astype(np.int64)
  _, first_rows = np.unique(items, return_index=True)
  if len(first_rows) < len(items):
    repeated = np.ones(len(items), np.bool_)
    repeated[first_rows] = False
    row = int(np.argmax(repeated))
    raise InputError(
        f'{int(np.sum(repeated))} rows repeat an item id, the first is '
        f'{everything[row].as_py()!r}.',
        where=where(row),
        expected='each item at most once',
        fix='Keep one embedding per item and modality.',
    )
  return np.split(items, ends[:-1])


def _check_width(lists: pa.Array, dim: int, where: str, begin: int) -> None:
  """Refuses vectors of another width; nulls have none."""
  wrong = pc.fill_null(pc.not_equal(pc.list_value_length(lists), dim), False)
  wrong = wrong.to_numpy(zero_copy_only=False)
  if wrong.any():
    row = int(np.argmax(wrong))
    raise InputError(
        f'The vector has {len(lists[row])} numbers.',
        where=f'{where}, row {begin + row}',
        expected=f'{dim} numbers, as in the first vector',
        fix='Store vectors of one length; null where an item has none.',
    )
