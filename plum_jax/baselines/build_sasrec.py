# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage that trains SASRec on a catalog."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from typing import Any

import jax

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.baselines import next_item_training
from plum_jax.baselines.history_windows import HistoryWindows
from plum_jax.baselines.next_item_training import NextItemModel
from plum_jax.baselines.next_item_training import NextItemTraining
from plum_jax.baselines.sasrec import SasrecModel
from plum_jax.baselines.sasrec import SasrecRecommender
from plum_jax.baselines.sasrec_network import SasrecConfig
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.training import loop

CHECKPOINT = 'checkpoint'


@dataclasses.dataclass(frozen=True)
class SasrecTraining(NextItemTraining):
  """How SASRec is trained; the defaults are our choice.

  They were chosen by validation Recall@10 on MovieLens-100K. See the base class
  for the other attributes.

  Attributes:
    num_epochs: how often each training target is predicted.
  """

  num_epochs: float = 8.0

  def network(self, num_items: int) -> SasrecConfig:
    """Returns the sizes of the network for a catalog."""
    return SasrecConfig(**self.network_sizes(num_items))


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    config: SasrecTraining = SasrecTraining(),
    seed: int = 0,
    mesh: jax.sharding.Mesh | None = None,
) -> manifest.Manifest:
  """Trains SASRec unless it is already there; goes on if it was killed.

  Args:
    directory: where `checkpoint/` (the parameters) and `metrics.jsonl` go.
    catalog_directory: the catalog.
    config: how to train.
    seed: of the initial parameters, dropout, and the order of the data.
    mesh: the devices; all of them, each with a part of the batch, if None.

  Returns:
    The manifest of the trained model.

  Raises:
    InputError: the catalog cannot be read, or has nothing to train on or to
      validate with.
  """

  def make(temporary: pathlib.Path, work: pathlib.Path) -> None:
    histories = Catalog.load(catalog_directory).histories
    network = config.network(histories.num_items)
    params = _train(histories, config, network, seed, mesh, work)
    checkpoints.save_params(
        temporary / CHECKPOINT, params, dataclasses.asdict(network)
    )
    shutil.copy(work / loop.METRICS, temporary / loop.METRICS)

  return stage.run(
      'sasrec',
      directory,
      make,
      inputs={'catalog': catalog_directory},
      parameters=dataclasses.asdict(config),
      seed=seed,
  )


def load(directory: str | os.PathLike[str]) -> SasrecRecommender:
  """Loads the recommender that `build` has trained.

  Args:
    directory: as given to `build`.

  Raises:
    InputError: nothing is there, or it cannot be read.
  """
  params, config = checkpoints.load_params(pathlib.Path(directory) / CHECKPOINT)
  return SasrecRecommender(SasrecConfig(**config), params)


def _train(
    histories: Histories,
    config: SasrecTraining,
    network: SasrecConfig,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> Any:
  """Trains and returns the parameters with the best validation recall."""
  split = splits.make_split(histories, config.split, config.split_options)
  windows = HistoryWindows(
      histories.item_ids,
      histories.offsets[:-1],
      split.train_end,
      max_length=config.max_length,
      batch_size=config.batch_size,
      seed=seed,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
  )
  num_steps = round(config.num_epochs * windows.num_windows / config.batch_size)
  model = SasrecModel(network)
  return next_item_training.train(
      NextItemModel(
          model,
          SasrecRecommender(network, params=None),
          lambda params, batch: model.loss_fn(params, batch, None)[0],
      ),
      windows,
      config,
      num_steps=max(num_steps, 1),
      histories=histories,
      split=split,
      seed=seed,
      mesh=mesh,
      work=work,
  )
