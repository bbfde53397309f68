# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage that trains BPR-MF on a catalog."""

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
from plum_jax.baselines import factorization
from plum_jax.baselines import factorization_training
from plum_jax.baselines import validation
from plum_jax.baselines.bpr_mf import BprMfModel
from plum_jax.baselines.bpr_mf import BprMfRecommender
from plum_jax.baselines.factorization import FactorizationConfig
from plum_jax.baselines.factorization_training import FactorizationTraining
from plum_jax.baselines.factorization_training import training_interactions
from plum_jax.baselines.factorization_training import Validation
from plum_jax.baselines.interaction_batches import BprBatches
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.training import loop

CHECKPOINT = 'checkpoint'


@dataclasses.dataclass(frozen=True)
class BprMfTraining(FactorizationTraining):
  """How BPR-MF is trained; the defaults are our choice.

  They were chosen by validation Recall@10 on MovieLens-100K, by which
  parameters are chosen too. See the base class for the attributes.
  """

  num_epochs: float = 40.0
  learning_rate: float = 0.01
  regularization: float = 2e-3

  def network(self, histories: Histories) -> FactorizationConfig:
    """Returns the sizes of the model for a catalog."""
    return FactorizationConfig(
        histories.num_users, histories.num_items, self.embed_size
    )


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    config: BprMfTraining = BprMfTraining(),
    seed: int = 0,
    mesh: jax.sharding.Mesh | None = None,
) -> manifest.Manifest:
  """Trains BPR-MF unless it is already there; goes on if it was killed.

  Args:
    directory: where `checkpoint/` (the parameters) and `metrics.jsonl` go.
    catalog_directory: the catalog.
    config: how to train.
    seed: of the initial parameters, negatives and order of the data.
    mesh: the devices; all of them, each with a part of the batch, if None.

  Returns:
    The manifest of the trained model.

  Raises:
    InputError: the catalog cannot be read, or has nothing to train on or to
      validate with.
  """

  def make(temporary: pathlib.Path, work: pathlib.Path) -> None:
    histories = Catalog.load(catalog_directory).histories
    network = config.network(histories)
    params = _train(histories, config, network, seed, mesh, work)
    checkpoints.save_params(
        temporary / CHECKPOINT, params, dataclasses.asdict(network)
    )
    shutil.copy(work / loop.METRICS, temporary / loop.METRICS)

  return stage.run(
      'bpr_mf',
      directory,
      make,
      inputs={'catalog': catalog_directory},
      parameters=dataclasses.asdict(config),
      seed=seed,
  )


def load(directory: str | os.PathLike[str]) -> BprMfRecommender:
  """Loads the recommender that `build` has trained.

  Args:
    directory: as given to `build`.

  Raises:
    InputError: nothing is there, or it cannot be read.
  """
  params, config = checkpoints.load_params(pathlib.Path(directory) / CHECKPOINT)
  return BprMfRecommender(FactorizationConfig(**config), params)


def _train(
    histories: Histories,
    config: BprMfTraining,
    network: FactorizationConfig,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> Any:
  """Trains and returns the parameters with the best validation recall."""
  split = splits.make_split(histories, config.split, config.split_options)
  user, item_ids, _ = training_interactions(histories, split)
  batches = BprBatches(
      user,
      item_ids,
      num_items=histories.num_items,
      batch_size=config.batch_size,
      seed=seed,
  )
  users = validation.ValidationUsers.make(
      histories,
      validation.draw_targets(
          histories, split.validation, config.max_validation_users, seed
      ),
      batch_size=256,
  )
  recommender = BprMfRecommender(network, params=None)

  def measure(params: Any) -> dict[str, float]:
    recall = users.recall(recommender.with_params(params))
    return {validation.RECALL: recall}

  params = factorization_training.train(
      BprMfModel(network, config.regularization),
      batches,
      config,
      Validation(measure, validation.RECALL, 'max'),
      num_rows=batches.num_rows,
      seed=seed,
      mesh=mesh,
      work=work,
  )
  return factorization.forget_untrained(params, user, item_ids)
