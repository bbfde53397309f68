# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage `impressions`: from a source to impressions on disk."""

from __future__ import annotations

import logging
import os
import pathlib

import numpy as np

from plum_jax.artifacts import stage
from plum_jax.artifacts.manifest import Manifest
from plum_jax.catalog import impressions
from plum_jax.catalog.impressions import Impressions
from plum_jax.catalog.sources.impression_source import ImpressionSource

_LOGGER = logging.getLogger('plum_jax')


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    source: ImpressionSource,
) -> Manifest:
  """Reads impressions and writes `impressions.parquet`.

  Args:
    directory: the folder to appear.
    catalog_directory: of the stage `catalog`.
    source: where the impressions come from.

  Returns:
    The manifest.

  Raises:
    InputError: the impressions cannot be read or are none.
  """

  def make(folder: pathlib.Path, work: pathlib.Path) -> None:
    del work
    found = source.read(pathlib.Path(catalog_directory))
    impressions.check(found, source)
    impressions.save(found, folder)
    _log_summary(found)

  return stage.run(
      'impressions',
      directory,
      make,
      inputs={'catalog': catalog_directory, **source.inputs()},
      parameters=source.parameters(),
  )


def _log_summary(found: Impressions) -> None:
  """Logs how much there is."""
  days = np.unique(found.times // 86_400)
  _LOGGER.info(
      'impressions: %s, %s users, %s items shown, %d days, %s: %.1f %%',
      f'{len(found):,}',
      f'{len(np.unique(found.users)):,}',
      f'{len(np.unique(found.items)):,}',
      len(days),
      found.labels[0].name,
      100 * np.nanmean(found.values[:, 0]),
  )
