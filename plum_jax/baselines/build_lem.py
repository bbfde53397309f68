# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage that trains the large embedding model (LEM) on a catalog."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
import shutil
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import flops
from plum_jax.baselines import next_item_training
from plum_jax.baselines.history_windows import HistoryWindows
from plum_jax.baselines.lem import LemModel
from plum_jax.baselines.lem import LemRecommender
from plum_jax.baselines.lem_network import LemConfig
from plum_jax.baselines.negative_sampling import BatchesWithNegatives
from plum_jax.baselines.negative_sampling import Negatives
from plum_jax.baselines.negative_sampling import NegativeSampling
from plum_jax.baselines.next_item_training import NextItemModel
from plum_jax.baselines.next_item_training import NextItemTraining
from plum_jax.baselines.popularity import count_interactions
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.training import loop

_LOGGER = logging.getLogger('plum_jax')
CHECKPOINT = 'checkpoint'


@dataclasses.dataclass(frozen=True)
class LemTraining(NextItemTraining):
  """How the LEM is trained; the defaults are our choice.

  PLUM gives no sizes of its LEM. See the base class for the other attributes.

  Attributes:
    num_steps: the step at which training ends.
    tied_output: whether the input table scores the items too.
    negatives: of the sampled softmax.
  """

  num_layers: int = 2
  num_steps: int = 2_000
  tied_output: bool = False
  negatives: NegativeSampling = NegativeSampling()

  def __post_init__(self):
    if self.num_steps < 1:
      raise InputError(
          f'{self.num_steps} steps are no training.',
          where='LemTraining.num_steps',
          expected='at least 1',
          fix='Correct the number.',
      )

  def network(self, num_items: int) -> LemConfig:
    """Returns the sizes of the network for a catalog."""
    return LemConfig(
        **self.network_sizes(num_items), tied_output=self.tied_output
    )

  def step_flops(self, num_items: int) -> int:
    """Returns the FLOPs of a training step; see `baselines.flops`."""
    return flops.lem_training_step(
        self.network(num_items),
        batch_size=self.batch_size,
        num_negatives=self.batch_size * self.negatives.num_negatives,
    )

  def with_flops(self, training_flops: int, num_items: int) -> LemTraining:
    """Returns the same training with as many steps as come nearest to FLOPs.

    Args:
      training_flops: of the whole training.
      num_items: number of items of the catalog.

    Raises:
      InputError: it is not enough for half a step.
    """
    num_steps = round(training_flops / self.step_flops(num_items))
    return dataclasses.replace(self, num_steps=num_steps)


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    config: LemTraining = LemTraining(),
    seed: int = 0,
    mesh: jax.sharding.Mesh | None = None,
    equal_flops_to: str | os.PathLike[str] | None = None,
) -> manifest.Manifest:
  """Trains the LEM unless it is already there; goes on if it was killed.

  Args:
    directory: where `checkpoint/` (the parameters) and `metrics.jsonl` go.
    catalog_directory: the catalog.
    config: how to train.
    seed: of the initial parameters, dropout, negatives and order of the data.
    mesh: the devices; all of them, each with a part of the batch, if None.
    equal_flops_to: the artifact whose training FLOPs `config.num_steps` was
      chosen by, if it was; it becomes an input of this one.

  Returns:
    The manifest of the trained model.

  Raises:
    InputError: the catalog cannot be read, or has nothing to train on or to
      validate with; the processes or the mesh do not fit the batch.
  """

  def make(temporary: pathlib.Path, work: pathlib.Path) -> None:
    histories = Catalog.load(catalog_directory).histories
    network = config.network(histories.num_items)
    params = _train(histories, config, network, seed, mesh, work)
    checkpoints.save_params(
        temporary / CHECKPOINT, params, dataclasses.asdict(network)
    )
    shutil.copy(work / loop.METRICS, temporary / loop.METRICS)

  inputs = {'catalog': catalog_directory}
  if equal_flops_to is not None:
    inputs['training'] = equal_flops_to
  return stage.run(
      'lem',
      directory,
      make,
      inputs=inputs,
      parameters=dataclasses.asdict(config),
      seed=seed,
  )


def load(directory: str | os.PathLike[str]) -> LemRecommender:
  """Loads the recommender that `build` has trained.

  Args:
    directory: as given to `build`.

  Raises:
    InputError: nothing is there, or it cannot be read.
  """
  params, config = checkpoints.load_params(pathlib.Path(directory) / CHECKPOINT)
  return LemRecommender(LemConfig(**config), params)


def _train(
    histories: Histories,
    config: LemTraining,
    network: LemConfig,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> Any:
  """Trains and returns the parameters with the best validation recall."""
  split = splits.make_split(histories, config.split, config.split_options)
  starts = histories.offsets[:-1]
  windows = HistoryWindows(
      histories.item_ids,
      starts,
      split.train_end,
      max_length=config.max_length,
      batch_size=config.batch_size,
      seed=seed,
  )
  _LOGGER.info(
      'lem: %s steps, %.1f epochs of %s targets',
      f'{config.num_steps:,}',
      config.num_steps * config.batch_size / windows.num_windows,
      f'{windows.num_targets:,}',
  )
  counts = count_interactions(histories, split)
  first = histories.item_ids[starts[split.train_end > starts]]
  target_counts = counts - np.bincount(first, minlength=histories.num_items)
  model = LemModel(network)
  return next_item_training.train(
      NextItemModel(
          model, LemRecommender(network, params=None), model.validation_loss
      ),
      BatchesWithNegatives(
          windows,
          Negatives(config.negatives, counts, target_counts),
          seed=seed,
          process_index=jax.process_index(),
          process_count=jax.process_count(),
      ),
      config,
      num_steps=config.num_steps,
      histories=histories,
      split=split,
      seed=seed,
      mesh=mesh,
      work=work,
  )
