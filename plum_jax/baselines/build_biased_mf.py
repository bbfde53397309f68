# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage that trains biased matrix factorization on a catalog's ratings."""

from __future__ import annotations

import dataclasses
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
from plum_jax.baselines import factorization
from plum_jax.baselines import factorization_training
from plum_jax.baselines import validation
from plum_jax.baselines.biased_mf import BiasedMfModel
from plum_jax.baselines.biased_mf import BiasedMfPredictor
from plum_jax.baselines.factorization import FactorizationConfig
from plum_jax.baselines.factorization_training import FactorizationTraining
from plum_jax.baselines.factorization_training import training_interactions
from plum_jax.baselines.factorization_training import Validation
from plum_jax.baselines.interaction_batches import InteractionBatches
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Targets
from plum_jax.training import loop

CHECKPOINT = 'checkpoint'
_RMSE = 'validation/rating/rmse'


@dataclasses.dataclass(frozen=True)
class BiasedMfTraining(FactorizationTraining):
  """How biased matrix factorization is trained; the defaults are our choice.

  They were chosen by the RMSE of the validation ratings on MovieLens-100K, by
  which parameters are chosen too. See the base class for the attributes.
  """

  embed_size: int = 16
  regularization: float = 0.08

  def network(self, histories: Histories) -> FactorizationConfig:
    """Returns the sizes of the model for a catalog."""
    return FactorizationConfig(
        histories.num_users,
        histories.num_items,
        self.embed_size,
        user_bias=True,
    )


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    config: BiasedMfTraining = BiasedMfTraining(),
    seed: int = 0,
    mesh: jax.sharding.Mesh | None = None,
) -> manifest.Manifest:
  """Trains unless the model is already there; goes on if it was killed.

  Args:
    directory: where `checkpoint/` (the parameters) and `metrics.jsonl` go.
    catalog_directory: the catalog.
    config: how to train.
    seed: of the initial parameters and the order of the data.
    mesh: the devices; all of them, each with a part of the batch, if None.

  Returns:
    The manifest of the trained model.

  Raises:
    InputError: the catalog cannot be read, or has no ratings to train on or to
      validate with.
  """

  def make(temporary: pathlib.Path, work: pathlib.Path) -> None:
    histories = Catalog.load(catalog_directory).histories
    network = config.network(histories)
    params, mean = _train(histories, config, network, seed, mesh, work)
    checkpoints.save_params(
        temporary / CHECKPOINT,
        params,
        {'network': dataclasses.asdict(network), 'mean_rating': mean},
    )
    shutil.copy(work / loop.METRICS, temporary / loop.METRICS)

  return stage.run(
      'biased_mf',
      directory,
      make,
      inputs={'catalog': catalog_directory},
      parameters=dataclasses.asdict(config),
      seed=seed,
  )


def load(directory: str | os.PathLike[str]) -> BiasedMfPredictor:
  """Loads the predictor that `build` has trained.

  Args:
    directory: as given to `build`.

  Raises:
    InputError: nothing is there, or it cannot be read.
  """
  params, config = checkpoints.load_params(pathlib.Path(directory) / CHECKPOINT)
  network = FactorizationConfig(**config['network'])
  return BiasedMfPredictor(network, config['mean_rating'], params)


def _train(
    histories: Histories,
    config: BiasedMfTraining,
    network: FactorizationConfig,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> tuple[Any, float]:
  """Returns the parameters with the best validation RMSE, and the mean."""
  split = splits.make_split(histories, config.split, config.split_options)
  user, item_ids, ratings = training_interactions(histories, split)
  rated = ~np.isnan(ratings)
  user, item_ids, ratings = user[rated], item_ids[rated], ratings[rated]
  batches = InteractionBatches(
      {
          'user': user.astype(np.int32),
          'item_ids': item_ids,
          'ratings': ratings,
      },
      batch_size=config.batch_size,
      seed=seed,
  )
  mean = float(np.mean(ratings, dtype=np.float64))
  params = factorization_training.train(
      BiasedMfModel(network, mean, config.regularization),
      batches,
      config,
      _make_validation(
          histories, split, config, BiasedMfPredictor(network, mean, None), seed
      ),
      num_rows=batches.num_rows,
      seed=seed,
      mesh=mesh,
      work=work,
  )
  return factorization.forget_untrained(params, user, item_ids), mean


def _make_validation(
    histories: Histories,
    split: splits.Split,
    config: BiasedMfTraining,
    predictor: BiasedMfPredictor,
    seed: int,
) -> Validation:
  """Measures the RMSE of validation ratings, clipped to the range there is."""
  rated = ~np.isnan(histories.ratings[split.validation.position])
  if not rated.any():
    raise InputError(
        'No validation target has a rating to choose parameters by.',
        where=f'the split {config.split}',
        expected='a split with rated validation targets',
        fix='Set validation_days in split_options, use leave_one_out, or bring '
        'ratings.',
    )
  targets = validation.draw_targets(
      histories,
      Targets(split.validation.user[rated], split.validation.position[rated]),
      config.max_validation_users,
      seed,
  )
  batch = {
      'user': targets.user,
      'rated_item_ids': histories.item_ids[targets.position],
  }
  ratings = histories.ratings[targets.position]
  lowest, highest = np.nanmin(histories.ratings), np.nanmax(histories.ratings)

  def measure(params: Any) -> dict[str, float]:
    predicted = np.asarray(predictor.with_params(params).predict(batch))
    errors = np.clip(predicted, lowest, highest) - ratings
    return {_RMSE: float(np.sqrt(np.mean(errors**2, dtype=np.float64)))}

  return Validation(measure, _RMSE, 'min')
