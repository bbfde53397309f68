# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the training windows of a run say of items and ratings.

The stage `tasks` cuts histories by the split in its manifest; here the same
split is made of the catalog, for what is counted over all users at once.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib

import numpy as np

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split

_TASKS_FOLDER, _CATALOG_FOLDER = 'tasks', 'catalog'


def item_counts(run_directory: str | os.PathLike[str]) -> np.ndarray:
  """Counts how often each item occurs in training windows.

  Args:
    run_directory: with the artifacts `catalog` and `tasks`.

  Returns:
    int64 [num_items].

  Raises:
    InputError: an artifact is missing, or they do not belong together.
  """
  histories, split = split_histories(run_directory)
  items = histories.item_ids[split.train_mask(histories)]
  return np.bincount(items, minlength=histories.num_items).astype(np.int64)


def distinct_ratings(run_directory: str | os.PathLike[str]) -> np.ndarray:
  """Lists the ratings that occur in training windows.

  Args:
    run_directory: with the artifacts `catalog` and `tasks`.

  Returns:
    float32 [n], ascending; empty if interactions have no ratings.

  Raises:
    InputError: an artifact is missing, or they do not belong together.
  """
  histories, split = split_histories(run_directory)
  ratings = histories.ratings[split.train_mask(histories)]
  return np.unique(ratings[~np.isnan(ratings)])


def split_histories(
    run_directory: str | os.PathLike[str],
) -> tuple[Histories, Split]:
  """Splits a catalog's histories as the run's tasks were split.

  Args:
    run_directory: with the artifacts `catalog` and `tasks`.

  Returns:
    All histories, and the split.

  Raises:
    InputError: an artifact is missing, or they do not belong together.
  """
  run = pathlib.Path(run_directory)
  made = manifests.load(run / _TASKS_FOLDER)
  if made is None:
    raise InputError(
        'The user histories do not exist.',
        where=run / _TASKS_FOLDER,
        expected='the folder that the stage tasks makes',
        fix='Run the stage tasks first.',
    )
  manifests.check_input(run / _TASKS_FOLDER, 'catalog', run / _CATALOG_FOLDER)
  return _of_run(
      str(run / _CATALOG_FOLDER),
      made.inputs['catalog'],
      made.parameters['split'],
      json.dumps(made.parameters['split_options']),
  )


@functools.lru_cache(maxsize=2)
def _of_run(
    catalog_directory: str, content_hash: str, split: str, options: str
) -> tuple[Histories, Split]:
  """Reads a catalog once for all tasks; its hash tells it from another."""
  del content_hash
  histories = Catalog.load(catalog_directory).histories
  return histories, splits.make_split(histories, split, json.loads(options))
