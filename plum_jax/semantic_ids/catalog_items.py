# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The items that get Semantic IDs: their ids, and that embeddings fit them."""

from __future__ import annotations

import os
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import inputs

ITEMS_FILE = 'items.parquet'


def read_item_ids(path: str | os.PathLike[str]) -> pa.Array:
  """Reads the ids of a catalog's items.

  Args:
    path: a catalog's `items.parquet`.

  Returns:
    Strings [num_items], in the order of the catalog.

  Raises:
    InputError: the file cannot be read, or has no column `item_id`.
  """
  path = pathlib.Path(path)
  try:
    column = pq.read_table(path, columns=['item_id'])['item_id']
  except (OSError, KeyError, pa.ArrowException) as error:
    raise InputError(
        f'The items cannot be read: {error}',
        where=path,
        expected='a Parquet file with the column item_id',
        fix='Run the stage catalog again, or correct the path.',
    ) from error
  return column.combine_chunks()


def check_same_items(
    item_ids: pa.Array,
    items_path: str | os.PathLike[str],
    embeddings: inputs.TokenizerInputs,
    embeddings_directory: str | os.PathLike[str],
) -> None:
  """Refuses embeddings of other items, or of the same in another order.

  Args:
    item_ids: of the catalog.
    items_path: its file, for the message.
    embeddings: that are to be those of its items.
    embeddings_directory: where they come from, with the stage's manifest.

  Raises:
    InputError: the numbers differ, or they were made from another file.
  """
  if len(item_ids) != embeddings.num_items:
    raise InputError(
        f'{len(item_ids)} items of the catalog do not go with '
        f'{embeddings.num_items} rows of embeddings.',
        where=f'{items_path} and {embeddings.source}',
        expected='one row of embeddings per item, in the same order',
        fix='Embed the items of this catalog again.',
    )
  manifest.check_input(embeddings_directory, 'items', items_path)
