# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the training windows of a run say of items and ratings.

The stage `tasks` cuts histories by the split in its manifest; here the same
split is made of the catalog, for what is counted over all users at once.
"""

from __future__ import annotations

import functools
import os
import pathlib

import numpy as np

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog

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
  return _windows(run_directory)[0]


def distinct_ratings(run_directory: str | os.PathLike[str]) -> np.ndarray:
  """Lists the ratings that occur in training windows.

  Args:
    run_directory: with the artifacts `catalog` and `tasks`.

  Returns:
    float32 [n], ascending; empty if interactions have no ratings.

  Raises:
    InputError: an artifact is missing, or they do not belong together.
  """
  return _windows(run_directory)[1]


def _windows(
    run_directory: str | os.PathLike[str],
) -> tuple[np.ndarray, np.ndarray]:
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
  return _of_run(str(run), made.outputs, made.inputs['catalog'])


@functools.lru_cache(maxsize=4)
def _of_run(
    run_directory: str, tasks_hash: str, catalog_hash: str
) -> tuple[np.ndarray, np.ndarray]:
  """Reads a catalog once a process; the hashes tell it has not changed."""
  del tasks_hash, catalog_hash
  run = pathlib.Path(run_directory)
  made = manifests.load(run / _TASKS_FOLDER)
  assert made is not None
  histories = Catalog.load(run / _CATALOG_FOLDER).histories
  split = splits.make_split(
      histories, made.parameters['split'], made.parameters['split_options']
  )
  mask = split.train_mask(histories)
  counts = np.bincount(histories.item_ids[mask], minlength=histories.num_items)
  ratings = histories.ratings[mask]
  return counts.astype(np.int64), np.unique(ratings[~np.isnan(ratings)])
