# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What rankers are trained and measured on, read once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import os
import pathlib

import pyarrow as pa

from plum_jax.artifacts import manifest
from plum_jax.catalog import catalog as catalogs
from plum_jax.catalog import impression_splits
from plum_jax.catalog import impressions
from plum_jax.catalog.impression_splits import ImpressionSplit
from plum_jax.catalog.impressions import Impressions
from plum_jax.item_embeddings import store
from plum_jax.ranking.item_features import FeatureInputs
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import sid_table_file

_TOKENIZER = 'tokenizer'


@dataclasses.dataclass(frozen=True, eq=False)
class RankingData:
  """Impressions, their split, and what item features are made from.

  Attributes:
    impressions: all of them.
    split: train and test.
    inputs: of item features; each ranker sets its seed.
    paths: the folders that were read, by role, for manifests.
    split_options: how it was split, for manifests.
  """

  impressions: Impressions
  split: ImpressionSplit
  inputs: FeatureInputs
  paths: Mapping[str, pathlib.Path]
  split_options: Mapping[str, str | int]


def load(
    *,
    catalog_directory: str | os.PathLike[str],
    impressions_directory: str | os.PathLike[str],
    semantic_ids_directory: str | os.PathLike[str] | None = None,
    embeddings_directory: str | os.PathLike[str] | None = None,
    last_train_day: str = '',
    test_days: int = 1,
) -> RankingData:
  """Reads what rankers need.

  Args:
    catalog_directory: of the stage `catalog`.
    impressions_directory: of the stage `impressions`.
    semantic_ids_directory: of the stage `semantic_ids`; None for no features
      of Semantic IDs.
    embeddings_directory: of the stage `item_embeddings`; None for no dense
      content.
    last_train_day: see `impression_splits.by_day`.
    test_days: see `impression_splits.by_day`.

  Returns:
    The data.

  Raises:
    InputError: a folder cannot be read; the impressions were made from another
      catalog; the SID table belongs to another tokenizer than lies beside it;
      or the split leaves nothing on one side.
  """
  manifest.check_input(impressions_directory, 'catalog', catalog_directory)
  paths = {
      'catalog': pathlib.Path(catalog_directory),
      'impressions': pathlib.Path(impressions_directory),
  }
  items = catalogs.read_items(catalog_directory)
  found = impressions.load(impressions_directory, items.num_rows)
  options: dict[str, str | int] = {
      'last_train_day': last_train_day,
      'test_days': test_days,
  }
  split = impression_splits.by_day(
      found, last_train_day=last_train_day, test_days=test_days
  )
  sids, embeddings = None, {}
  if semantic_ids_directory is not None:
    folder = paths['semantic_ids'] = pathlib.Path(semantic_ids_directory)
    sids = sid_table.load(
        folder / sid_table_file.FILE_NAME,
        tokenizer_directory=folder / _TOKENIZER,
    )
  if embeddings_directory is not None:
    paths['item_embeddings'] = pathlib.Path(embeddings_directory)
    embeddings = store.load(embeddings_directory)
  item_ids = items['item_id'].combine_chunks()
  assert isinstance(item_ids, pa.StringArray)
  shown = found.num_impressions(slice(0, split.test.stop))
  inputs = FeatureInputs(
      item_ids=item_ids,
      num_impressions=found.num_impressions(split.train),
      impressed=shown > 0,
      sids=sids,
      embeddings=embeddings,
  )
  return RankingData(found, split, inputs, paths, options)
