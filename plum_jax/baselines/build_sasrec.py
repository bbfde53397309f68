# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage that trains SASRec on a catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from plum_jax.baselines.history_windows import HistoryWindows
from plum_jax.baselines.history_windows import newest_items
from plum_jax.baselines.sasrec import SasrecModel
from plum_jax.baselines.sasrec import SasrecRecommender
from plum_jax.baselines.sasrec_network import SasrecConfig
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.histories import Histories
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig
from plum_jax.training.state import TrainState

CHECKPOINT = 'checkpoint'
_RECALL = 'validation/retrieval/recall@10'


@dataclasses.dataclass(frozen=True)
class SasrecTraining:
  """How SASRec is trained; the defaults are our choice.

  They were chosen by validation Recall@10 on MovieLens-100K.

  Attributes:
    max_length: number of newest items of a history that are read.
    embed_size: width of item embeddings.
    num_layers: number of blocks.
    num_heads: attention heads.
    mlp_size: width of the MLPs' hidden layer.
    dropout_rate: share that dropout drops.
    num_epochs: how often each training target is predicted.
    batch_size: windows of at most `max_length` targets a step.
    learning_rate: the highest; it falls to zero along a cosine.
    warmup_steps: steps of linear growth of the learning rate.
    weight_decay: AdamW's.
    num_evaluations: how often validation Recall@10 is measured. The parameters
      with the best are the result.
    max_validation_users: only so many of the validation users are looked at,
      drawn with the seed.
    split: `leave_one_out` or `by_time`.
    split_options: keyword arguments of the split's function.
  """

  max_length: int = 50
  embed_size: int = 64
  num_layers: int = 1
  num_heads: int = 2
  mlp_size: int = 256
  dropout_rate: float = 0.2
  num_epochs: float = 8.0
  batch_size: int = 32
  learning_rate: float = 3e-3
  warmup_steps: int = 50
  weight_decay: float = 0.0
  num_evaluations: int = 4
  max_validation_users: int = 2_000
  split: str = 'leave_one_out'
  split_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def network(self, num_items: int) -> SasrecConfig:
    """Returns the sizes of the network for a catalog."""
    return SasrecConfig(
        num_items=num_items,
        max_length=self.max_length,
        embed_size=self.embed_size,
        num_layers=self.num_layers,
        num_heads=self.num_heads,
        mlp_size=self.mlp_size,
        dropout_rate=self.dropout_rate,
    )


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
  num_steps = max(num_steps, 1)
  evaluate_every = -(-num_steps // config.num_evaluations)
  state: TrainState = loop.train(
      SasrecModel(network),
      windows,
      TrainConfig(
          num_steps=num_steps,
          optimizer=optimizers.AdamW(
              schedule=schedules.Cosine(
                  learning_rate=config.learning_rate,
                  num_steps=num_steps,
                  warmup_steps=min(config.warmup_steps, num_steps // 2),
              ),
              weight_decay=config.weight_decay,
              max_gradient_norm=1.0,
          ),
          seed=seed,
          log_every=max(num_steps // 50, 1),
          checkpoint_every=evaluate_every,
          keep_checkpoints=1,
          evaluate_every=evaluate_every,
          best_metric=_RECALL,
      ),
      mesh=meshes.make_mesh() if mesh is None else mesh,
      rules=axis_rules.preset(),
      work_directory=work,
      evaluate=_make_validation(histories, split, config, network, seed),
  )
  return loop.restore_best(work, state.params).state


def _make_validation(
    histories: Histories,
    split: splits.Split,
    config: SasrecTraining,
    network: SasrecConfig,
    seed: int,
) -> Callable[[Any, int], Mapping[str, float]]:
  """Returns a function that measures loss and recall on validation targets."""
  num_targets = len(split.validation)
  if not num_targets:
    raise InputError(
        'There are no validation targets to choose parameters by.',
        where='SasrecTraining.split',
        expected='a split with validation targets',
        fix='Set validation_days in split_options, or use leave_one_out.',
    )
  num_users = min(num_targets, config.max_validation_users)
  chosen = np.random.default_rng(seed).choice(
      num_targets, num_users, replace=False
  )
  position = split.validation.position[chosen]
  starts = histories.offsets[split.validation.user[chosen]]
  history = newest_items(histories.item_ids, starts, position)
  target = histories.item_ids[position]
  targets = np.full((num_users, network.max_length), -1, np.int32)
  targets[:, -1] = target
  examples = {
      'history_item_ids': newest_items(
          histories.item_ids, starts, position, network.max_length
      ),
      'target_item_ids': targets,
      'loss_weights': (targets >= 0).astype(np.float32),
  }
  recommender = SasrecRecommender(network, params=None)
  model = SasrecModel(network)
  loss_fn = jax.jit(lambda params, batch: model.loss_fn(params, batch, None)[0])

  def validate(params: Any, step: int) -> dict[str, float]:
    del step
    loss = hits = 0.0
    trained = recommender.with_params(params)
    for rows in _equal_batches(num_users, config.batch_size):
      batch = {key: value[rows] for key, value in examples.items()}
      # A copied row is no new one: it weighs nothing.
      new = np.concatenate(([True], rows[1:] != rows[:-1]))
      batch['loss_weights'] = batch['loss_weights'] * new[:, None]
      loss += loss_fn(params, batch)
      best = trained.recommend({'history_item_ids': history[rows]}, 10, True)
      hit = np.any(np.asarray(best.item_ids) == target[rows, None], axis=1)
      hits += np.sum(hit & new)
    return {
        'validation/loss': float(loss) / num_users,
        _RECALL: float(hits) / num_users,
    }

  return validate


def _equal_batches(num_rows: int, batch_size: int) -> list[np.ndarray]:
  """Cuts rows into batches of one size; the last row fills up the last."""
  rows = np.arange(-(-num_rows // batch_size) * batch_size)
  return list(np.minimum(rows, num_rows - 1).reshape(-1, batch_size))
