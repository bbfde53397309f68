# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage: from a source to a catalog on disk."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib

import numpy as np
import pyarrow as pa

from plum_jax.artifacts import stage
from plum_jax.artifacts.manifest import Manifest
from plum_jax.catalog import histories
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources.source import Source

_LOGGER = logging.getLogger('plum_jax')


def build(directory: str | os.PathLike[str], *, source: Source) -> Manifest:
  """Reads a source and writes the tables; see `catalog.Catalog.save`.

  Nothing is read or downloaded when the catalog is already there and was made
  from the same source, the same local files included.

  Args:
    directory: the catalog's folder.
    source: where the data comes from, such as `MovieLens(size='100k')`.

  Returns:
    The manifest of the catalog that is now there.

  Raises:
    InputError: the data cannot be reached, read or is no catalog; what was in
      `directory` stays as it was.
  """

  def make(folder: pathlib.Path, work: pathlib.Path) -> None:
    del work
    files = ', '.join(map(str, source.inputs().values()))
    where = f'{source.name} ({files})' if files else source.name
    catalog = with_first_seen(Catalog(*source.read(), where=where))
    catalog.save(folder)
    _log_summary(source.name, catalog)

  return stage.run(
      'catalog',
      directory,
      make,
      inputs=source.inputs(),
      parameters=source.parameters(),
  )


def with_first_seen(catalog: Catalog) -> Catalog:
  """Fills unknown first-seen times with that of the first interaction.

  Args:
    catalog: any; one with relative times is returned as it is.

  Returns:
    The catalog. An item without interactions keeps an unknown time.
  """
  first_seen = catalog.histories.first_seen
  column = pa.array(first_seen, mask=first_seen == histories.UNKNOWN_TIME)
  index = catalog.items.column_names.index('first_seen')
  field = tables.ITEM_FIELDS[3]
  return dataclasses.replace(
      catalog, items=catalog.items.set_column(index, field, column)
  )


def _log_summary(name: str, catalog: Catalog) -> None:
  """Logs how much there is."""
  runs = catalog.histories
  cells = runs.num_users * catalog.num_items
  _LOGGER.info(
      '%s: %s users, %s items (%s without interactions), %s interactions '
      '(%s times), density %.3g %%, %.1f per user (median %d)',
      name,
      f'{runs.num_users:,}',
      f'{catalog.num_items:,}',
      f'{catalog.num_items - len(np.unique(runs.item_ids)):,}',
      f'{catalog.num_interactions:,}',
      catalog.time_kind,
      100 * catalog.num_interactions / cells,
      catalog.num_interactions / runs.num_users,
      np.median(runs.lengths),
  )
