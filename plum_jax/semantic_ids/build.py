# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage `semantic_ids`: item embeddings in, tokenizer and SID table out."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import catalog_items
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import metrics_log
from plum_jax.semantic_ids import residual_kmeans
from plum_jax.semantic_ids import residual_kmeans_fit
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import sid_table_file
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import train
from plum_jax.semantic_ids import train_step
from plum_jax.semantic_ids.co_occurrence import CoOccurrence
from plum_jax.semantic_ids.co_occurrence import Partners
from plum_jax.semantic_ids.partner_source import PartnerSource
from plum_jax.semantic_ids.quality import summary

STAGE = 'semantic_ids'
TABLE_FILE = sid_table_file.FILE_NAME
QUALITY_FILE = 'quality.json'
TOKENIZER_FOLDER = 'tokenizer'


@dataclasses.dataclass(frozen=True)
class SemanticIdsConfig:
  """All that can be chosen about Semantic IDs.

  Attributes:
    tokenizer: what learns the codes, and its sizes.
    training: how an RQ-VAE is trained; residual k-means ignores it.
    co_occurrence: where its contrastive loss finds partners of items.
    modalities: which item embeddings to use; None for all.
    collisions: how items with the same codes are told apart:
      `disambiguation`, by a further code, or `nearest_free`, by the nearest
      free code of the last level; see `sid_table.SidTable`.
    disambiguation_size: see `sid_table.make`.
  """

  tokenizer: rqvae.RqvaeConfig | residual_kmeans.ResidualKmeansConfig = (
      rqvae.RqvaeConfig()
  )
  training: train_step.TrainConfig = train_step.TrainConfig()
  co_occurrence: CoOccurrence = CoOccurrence()
  modalities: tuple[str, ...] | None = None
  collisions: str = collisions.DISAMBIGUATION
  disambiguation_size: int | None = None

  def __post_init__(self):
    expected = None
    nearest_free = self.collisions == collisions.NEAREST_FREE
    if self.collisions not in collisions.KINDS:
      expected = f'one of {", ".join(collisions.KINDS)}'
    elif nearest_free and self.disambiguation_size is not None:
      expected = f'{collisions.DISAMBIGUATION!r} with a disambiguation_size'
    if expected:
      raise InputError(
          f'collisions = {self.collisions!r} cannot be used.',
          where='SemanticIdsConfig.collisions',
          expected=expected,
          fix='Correct the configuration.',
      )


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    embeddings_directory: str | os.PathLike[str],
    config: SemanticIdsConfig,
    seed: int,
    split: str = 'leave_one_out',
    split_options: Mapping[str, Any] | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> manifest.Manifest:
  """Trains a tokenizer and gives every item of the catalog a Semantic ID.

  A table to which items were added is never replaced; see
  `lineage.keep_extended`.

  Args:
    directory: the folder to appear, with `sid_table.parquet`, `quality.json`
      (see `summary.report`), `metrics.jsonl` (see `metrics_log`) and
      `tokenizer/` (see `tokenizer_files`).
    catalog_directory: of the stage `catalog`; its `items.parquet` names the
      items.
    embeddings_directory: of the stage `item_embeddings`, a row per item.
    config: what to make.
    seed: of all that is random.
    split: `leave_one_out` or `by_time`; its training windows alone tell which
      items occur together. Not read without a contrastive loss.
    split_options: keyword arguments of the split; see `catalog.splits`.
    mesh: the mesh to train and assign on; None for one device.

  Returns:
    The manifest of what is there now.

  Raises:
    InputError: the embeddings cannot be used or do not fit the catalog, the
      contrastive loss finds no items that occur together, or items were added
      to the table that is there.
  """
  source = None
  if (
      isinstance(config.tokenizer, rqvae.RqvaeConfig)
      and config.tokenizer.contrastive
  ):
    source = PartnerSource(
        config.co_occurrence, catalog_directory, split, split_options or {}
    )
  # As JSON reads them again: lists, not tuples.
  parameters = json.loads(json.dumps(dataclasses.asdict(config)))
  # Changes nothing about the result.
  del parameters['training']['checkpoint_seconds']
  if not isinstance(config.tokenizer, rqvae.RqvaeConfig):
    del parameters['training']
  # Without a contrastive loss, changed interactions train nothing anew.
  del parameters['co_occurrence']
  if source is not None:
    parameters['partners'] = source.parameters()
  items_path = pathlib.Path(catalog_directory) / catalog_items.ITEMS_FILE

  def make(output: pathlib.Path, work: pathlib.Path) -> None:
    embeddings = inputs.load(embeddings_directory, config.modalities)
    item_ids = catalog_items.read_item_ids(items_path)
    catalog_items.check_same_items(
        item_ids, items_path, embeddings, embeddings_directory
    )
    partners = None if source is None else source.load()
    _fill(output, work, item_ids, embeddings, config, seed, partners, mesh)

  sources = {
      'items': items_path,
      'item_embeddings': embeddings_directory,
      **({} if source is None else source.inputs()),
  }
  kept = lineage.keep_extended(directory, sources, parameters, seed)
  if kept is not None:
    return kept
  return stage.run(
      STAGE,
      directory,
      make,
      inputs=sources,
      parameters=parameters,
      seed=seed,
  )


def _fill(
    output: pathlib.Path,
    work: pathlib.Path,
    item_ids: pa.Array,
    embeddings: inputs.TokenizerInputs,
    config: SemanticIdsConfig,
    seed: int,
    partners: Partners | None,
    mesh: jax.sharding.Mesh | None,
) -> None:
  """Makes everything that the stage leaves, in the folder `output`."""
  tokenizer = _learn(work, embeddings, config, seed, partners, mesh)
  tokenizer.save(output / TOKENIZER_FOLDER)
  assignment = assign.assign(tokenizer, embeddings, mesh=mesh)
  table = sid_table.make(
      item_ids,
      assignment.codes,
      codebook_sizes=tokenizer.codebook_sizes,
      tokenizer_hash=tokenizers.tokenizer_hash(output / TOKENIZER_FOLDER),
      disambiguation_size=config.disambiguation_size,
      next_codes=collisions.choices_of(tokenizer, embeddings, mesh=mesh)
      if config.collisions == collisions.NEAREST_FREE
      else None,
  )
  write_table(output, table, assignment.reconstruction_errors, embeddings)
  shutil.copyfile(work / metrics_log.FILE_NAME, output / metrics_log.FILE_NAME)


def _learn(
    work: pathlib.Path,
    embeddings: inputs.TokenizerInputs,
    config: SemanticIdsConfig,
    seed: int,
    partners: Partners | None,
    mesh: jax.sharding.Mesh | None,
) -> tokenizers.Tokenizer:
  """Makes a tokenizer of the kind that is configured."""
  if isinstance(config.tokenizer, residual_kmeans.ResidualKmeansConfig):
    return residual_kmeans_fit.fit(
        embeddings,
        config=config.tokenizer,
        seed=seed,
        work_directory=work,
        mesh=mesh,
    )
  return train.train(
      embeddings,
      config=config.tokenizer,
      training=config.training,
      seed=seed,
      work_directory=work,
      partners=partners,
      mesh=mesh,
  )


def write_table(
    output: pathlib.Path,
    table: sid_table.SidTable,
    reconstruction_errors: np.ndarray,
    embeddings: inputs.TokenizerInputs,
) -> None:
  """Writes a SID table, and how good its codes are.

  Args:
    output: the folder.
    table: the table.
    reconstruction_errors: [num_levels], see `assign.Assignment`.
    embeddings: of the table's items.
  """
  table.save(output / TABLE_FILE)
  figures = summary.report(
      table.tokenizer_codes,
      table.codebook_sizes,
      reconstruction_errors,
      embeddings,
  )
  (output / QUALITY_FILE).write_text(
      json.dumps(figures, indent=2) + '\n', encoding='utf-8'
  )
