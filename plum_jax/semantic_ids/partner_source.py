# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which files partners of items come from, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import os
import pathlib
from typing import Any

from plum_jax.catalog import catalog as catalogs
from plum_jax.catalog import splits
from plum_jax.semantic_ids import co_occurrence


@dataclasses.dataclass(frozen=True)
class PartnerSource:
  """Histories of a catalog, or a list of pairs.

  Attributes:
    config: which of both.
    catalog_directory: of the stage `catalog`.
    split: name of the split whose training windows are read.
    split_options: keyword arguments of the split; see `catalog.splits`.
  """

  config: co_occurrence.CoOccurrence
  catalog_directory: str | os.PathLike[str]
  split: str
  split_options: Mapping[str, Any]

  def inputs(self) -> dict[str, pathlib.Path]:
    """Returns the files that are read beside `items.parquet`, by role."""
    if self.config.partners_file:
      return {'partners': pathlib.Path(self.config.partners_file).expanduser()}
    folder = pathlib.Path(self.catalog_directory)
    return {'interactions': folder / catalogs.INTERACTIONS_FILE}

  def parameters(self) -> dict[str, Any]:
    """Returns what else decides which partners there are, as JSON values."""
    if self.config.partners_file:
      return {}
    return {
        'window': self.config.window,
        'split': self.split,
        'split_options': dict(self.split_options),
    }

  def load(self) -> co_occurrence.Partners:
    """Reads the files.

    Returns:
      The partners of the catalog's items.

    Raises:
      InputError: the catalog, the split or the list of pairs cannot be used,
        or no two items occur together.
    """
    catalog = catalogs.Catalog.load(self.catalog_directory)
    if self.config.partners_file:
      return co_occurrence.PairPartners.load(
          self.config.partners_file,
          catalog.items['item_id'].combine_chunks(),
      )
    split = splits.make_split(catalog.histories, self.split, self.split_options)
    return co_occurrence.HistoryPartners(
        catalog.histories, split, self.config.window
    )
