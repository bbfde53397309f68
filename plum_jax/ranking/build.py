# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage `ranking`: impressions in, a trained and measured ranker out."""

from __future__ import annotations

import dataclasses
import json
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
from plum_jax.ranking import evaluate
from plum_jax.ranking import feature_kinds
from plum_jax.ranking.batches import BatchMaker
from plum_jax.ranking.batches import CONTEXT_SIZES
from plum_jax.ranking.batches import ImpressionBatches
from plum_jax.ranking.batches import Scaling
from plum_jax.ranking.data import RankingData
from plum_jax.ranking.feature_kinds import Spm
from plum_jax.ranking.item_features import FeatureInputs
from plum_jax.ranking.item_features import ItemFeatures
from plum_jax.ranking.model import RankerModel
from plum_jax.ranking.network import RankerConfig
from plum_jax.ranking.network import RankerShape
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig

STAGE = 'ranking'
CHECKPOINT, METRICS_FILE, SPM_FOLDER = 'checkpoint', 'metrics.json', 'spm'
_LOGGER = logging.getLogger('plum_jax')


@dataclasses.dataclass(frozen=True)
class RankingConfig:
  """A ranker and how it is trained; sizes and rates are our choice.

  Attributes:
    feature: what the ranker reads of items; one of `feature_kinds.NAMES`.
    num_rows: rows of its tables together. 0 for the base, the codes of all
      levels of the Semantic IDs: the paper's 8·K, rows of the unigrams.
    spm_model: folder of a trained SPM model; empty to train one.
    network: sizes of the network.
    batch_size: impressions of a step.
    num_epochs: passes over the training days.
    order: `time`, as in production, or `shuffled`.
    learning_rate: of AdamW; it falls to zero along a cosine.
    warmup_steps: steps of linear growth of the learning rate.
    weight_decay: AdamW's.
  """

  feature: str = 'spm'
  num_rows: int = 0
  spm_model: str = ''
  network: RankerConfig = RankerConfig()
  batch_size: int = 1024
  num_epochs: int = 1
  order: str = 'time'
  learning_rate: float = 3e-3
  warmup_steps: int = 50
  weight_decay: float = 0.0

  def item_feature(self, inputs: FeatureInputs) -> feature_kinds.ItemFeature:
    """Returns the kind of feature, with its number of rows.

    Raises:
      InputError: there is no such feature; or the base number of rows is asked
        for and there are no Semantic IDs.
    """
    found = feature_kinds.named(self.feature, self.num_rows or base(inputs))
    if isinstance(found, Spm):
      found = dataclasses.replace(found, model_directory=self.spm_model)
    return found


def base(inputs: FeatureInputs) -> int:
  """Returns the number of codes of all levels: the paper's 8·K.

  Raises:
    InputError: there are no Semantic IDs.
  """
  return sum(inputs.sid_table.codebook_sizes)


def build(
    directory: str | os.PathLike[str],
    *,
    data: RankingData,
    config: RankingConfig,
    seed: int = 0,
    mesh: jax.sharding.Mesh | None = None,
) -> manifest.Manifest:
  """Trains a ranker on the training days and measures it on the test days.

  Skipped if it is there already; goes on if it was killed.

  Args:
    directory: the folder to appear, with `checkpoint/` (the parameters),
      `metrics.jsonl` of the training, `metrics.json` (see `evaluate.measure`)
      and, for SPM, `spm/`.
    data: the impressions and what features are made from.
    config: what to train.
    seed: of the parameters, of hashes, and of the order of shuffled data.
    mesh: the devices; all of them, each with a part of the batch, if None.

  Returns:
    The manifest.

  Raises:
    InputError: features cannot be made of this data, or the configuration
      does not fit it.
  """
  parameters = json.loads(json.dumps(dataclasses.asdict(config)))
  parameters['split'] = dict(data.split_options)
  inputs: dict[str, str | os.PathLike[str]] = dict(data.paths)
  if config.spm_model:
    inputs['spm_model'] = config.spm_model

  def make(output: pathlib.Path, work: pathlib.Path) -> None:
    feature_inputs = dataclasses.replace(data.inputs, seed=seed)
    features = _make_features(config, feature_inputs, output)
    scaling = Scaling.measure(data.impressions, data.split.train)
    maker = BatchMaker(
        data.impressions, features, scaling, config.network.max_history
    )
    labels = data.impressions.labels
    shape = RankerShape.of(features, CONTEXT_SIZES, len(labels))
    model = RankerModel(config.network, shape, labels)
    params = train(model, maker, data, config, seed, mesh, work)
    checkpoints.save_params(
        output / CHECKPOINT, params, _description(model, scaling)
    )
    shutil.copy(work / loop.METRICS, output / loop.METRICS)
    predictions = evaluate.predict(
        model, params, maker, data.split.test, config.batch_size
    )
    figures = evaluate.measure(data, features, predictions, scaling)
    (output / METRICS_FILE).write_text(
        json.dumps(figures, indent=2, allow_nan=False) + '\n', encoding='utf-8'
    )

  return stage.run(
      STAGE, directory, make, inputs=inputs, parameters=parameters, seed=seed
  )


def _make_features(
    config: RankingConfig, inputs: FeatureInputs, output: pathlib.Path
) -> ItemFeatures:
  """Makes the features of the catalog, and keeps a model that they need."""
  feature = config.item_feature(inputs)
  if isinstance(feature, Spm):
    feature.model(inputs).save(output / SPM_FOLDER)
    feature = dataclasses.replace(
        feature, model_directory=str(output / SPM_FOLDER)
    )
  features = feature.build(inputs)
  _LOGGER.info(
      'ranking: %s, %s rows, %.2f look-ups an item',
      config.feature,
      f'{features.num_rows:,}',
      features.look_ups.mean(),
  )
  return features


def _description(model: RankerModel, scaling: Scaling) -> dict[str, Any]:
  """Returns what is needed to use the parameters, as JSON values."""
  return {
      'network': dataclasses.asdict(model.config),
      'shape': dataclasses.asdict(model.shape),
      'labels': [list(label) for label in model.labels],
      'scaling': dataclasses.asdict(scaling),
  }


def train(
    model: RankerModel,
    maker: BatchMaker,
    data: RankingData,
    config: RankingConfig,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> Any:
  """Trains on the training days; see `build`.

  Args:
    model: the model.
    maker: makes batches.
    data: what to train on.
    config: how.
    seed: of parameters and order.
    mesh: the devices.
    work: keeps what a later run goes on from.

  Returns:
    The parameters after the last step: in production, too, a ranker is used as
    it stands when the day ends.
  """
  batches = ImpressionBatches(
      maker,
      data.split.train,
      batch_size=config.batch_size,
      order=config.order,
      seed=seed,
      num_epochs=config.num_epochs,
      process_index=jax.process_index(),
      process_count=jax.process_count(),
  )
  num_steps = config.num_epochs * batches.batches_per_epoch
  schedule = schedules.Cosine(
      learning_rate=config.learning_rate,
      num_steps=num_steps,
      warmup_steps=min(config.warmup_steps, num_steps // 2),
  )
  state = loop.train(
      model,
      batches,
      TrainConfig(
          num_steps=num_steps,
          optimizer=optimizers.AdamW(
              schedule=schedule,
              weight_decay=config.weight_decay,
              max_gradient_norm=1.0,
          ),
          seed=seed,
          log_every=max(num_steps // 50, 1),
          checkpoint_every=num_steps,
          checkpoint_every_seconds=120.0,
          keep_checkpoints=1,
      ),
      mesh=meshes.make_mesh() if mesh is None else mesh,
      rules=axis_rules.preset(),
      work_directory=work,
      initial_params=lambda shapes: _initial_params(
          model, maker, data.split.train, seed, shapes
      ),
  )
  return state.params


def _initial_params(
    model: RankerModel,
    maker: BatchMaker,
    rows: slice,
    seed: int,
    shapes: Any,
) -> Any:
  """Draws parameters by a program that the seed is an argument of.

  Seeds then share it; see `compiled_programs`.
  """
  one = maker.make(np.arange(rows.start, rows.start + 1))
  init = jax.jit(
      lambda key: model.init(key, one)['params'],
      out_shardings=jax.tree.map(lambda leaf: leaf.sharding, shapes),
  )
  return init(jax.random.key(seed))
