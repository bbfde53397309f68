# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage `tasks`: from histories and Semantic IDs to files for SeqIO."""

from __future__ import annotations

from collections.abc import Mapping
import logging
import os
import pathlib
from typing import Any

import numpy as np

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.data import rewards
from plum_jax.data import tfds_files
from plum_jax.data import user_records
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE

_LOGGER = logging.getLogger('plum_jax')


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    semantic_ids_directory: str | os.PathLike[str],
    split: str = 'leave_one_out',
    split_options: Mapping[str, Any] | None = None,
    reward: str = '',
    seed: int = 0,
    examples_per_shard: int = 8_192,
) -> manifests.Manifest:
  """Writes one dataset of user histories with a record per user and split.

  `tfds.builder_from_directory(directory)` reads it; its features are those of
  `user_records.features`. The split `train` has each user's training window
  and nothing else; `validation` and `test` have one record per target, with
  the history before it. A split without records is left out.

  Args:
    directory: the folder to make.
    catalog_directory: the catalog.
    semantic_ids_directory: the SID table of its items.
    split: `leave_one_out` or `by_time`; see `plum_jax.catalog.splits`.
    split_options: keyword arguments of the split's function.
    reward: what an interaction is worth, as an expression of its columns; see
      `data.rewards.with_rewards`.
    seed: of the order of the training records in the files.
    examples_per_shard: the most records of a file.

  Returns:
    The manifest of the dataset that is now there.

  Raises:
    InputError: an input is missing; the SID table is of other items; a target
      has no history; a reward cannot be made or used.
  """
  catalog_directory = pathlib.Path(catalog_directory)
  table_file = pathlib.Path(semantic_ids_directory) / TABLE_FILE

  def make(folder: pathlib.Path, work: pathlib.Path) -> None:
    del work
    catalog = Catalog.load(catalog_directory)
    table = sid_table.load(table_file)
    _check_items(catalog, table, table_file)
    catalog, given = rewards.with_rewards(catalog, reward)
    made = splits.make_split(catalog.histories, split, split_options)
    rewards.summarize(catalog, made, reward, given).save(folder)
    first_targets = made.train_start is not None
    write(
        folder,
        catalog.histories,
        table.full_codes,
        {
            'train': user_records.training_spans(catalog.histories, made, seed),
            **{
                name: user_records.target_spans(
                    catalog.histories,
                    targets,
                    name,
                    first_targets=first_targets,
                )
                for name, targets in (
                    ('validation', made.validation),
                    ('test', made.test),
                )
            },
        },
        examples_per_shard,
    )

  return stage.run(
      'tasks',
      directory,
      make,
      inputs={'catalog': catalog_directory, 'semantic_ids': table_file},
      parameters={
          'split': split,
          'split_options': dict(split_options or {}),
          'examples_per_shard': examples_per_shard,
          **({'reward': reward} if reward else {}),
      },
      seed=seed,
  )


def write(
    directory: pathlib.Path,
    histories: Histories,
    full_codes: np.ndarray,
    spans: dict[str, user_records.Spans],
    examples_per_shard: int,
) -> None:
  """Writes the records of all splits and TFDS' metadata into a folder."""
  infos = []
  for name, of_split in spans.items():
    if not len(of_split):
      _LOGGER.info('tasks: the split %s has no records, left out', name)
      continue
    examples = user_records.serialized(histories, full_codes, of_split)
    infos.append(
        tfds_files.write_split(
            directory, name, examples, len(of_split), examples_per_shard
        )
    )
    _LOGGER.info('tasks: %s records in %s', f'{len(of_split):,}', name)
  features = user_records.features(
      tuple(histories.numbers),
      first_targets=spans['train'].first_target is not None,
  )
  tfds_files.write_metadata(directory, features, infos)


def _check_items(
    catalog: Catalog, table: sid_table.SidTable, table_file: pathlib.Path
) -> None:
  """Refuses a SID table whose rows are not the catalog's."""
  if not table.item_ids.equals(catalog.items['item_id'].combine_chunks()):
    raise InputError(
        f'The SID table has {table.num_items} items, the catalog '
        f'{catalog.num_items}, and they are not the same in the same order.',
        where=table_file,
        expected=f'the items of {catalog.where}',
        fix='Run assign_semantic_ids on this catalog, which keeps the SIDs of '
        'old items, or semantic_ids.',
    )
