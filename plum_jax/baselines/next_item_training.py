# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How models that read item numbers are trained to predict the next item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from plum_jax.baselines import validation
from plum_jax.baselines.history_recommender import HistoryRecommender
from plum_jax.baselines.history_windows import newest_items
from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig
from plum_jax.training.protocols import Batch
from plum_jax.training.protocols import Batches
from plum_jax.training.protocols import Model
from plum_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class NextItemTraining:
  """What the training of all of them has in common.

  Attributes:
    max_length: number of newest items of a history that are read.
    embed_size: width of item embeddings.
    num_layers: number of blocks.
    num_heads: attention heads.
    mlp_size: width of the MLPs' hidden layer.
    dropout_rate: share that dropout drops.
    batch_size: windows of at most `max_length` targets a step.
    learning_rate: the highest; it falls to zero along a cosine.
    warmup_steps: steps of linear growth of the learning rate.
    weight_decay: AdamW's.
    num_evaluations: how often validation Recall@10 is measured. The parameters
      with the best are the result.
    max_validation_users: only so many of the validation targets are looked at,
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
  batch_size: int = 32
  learning_rate: float = 3e-3
  warmup_steps: int = 50
  weight_decay: float = 0.0
  num_evaluations: int = 4
  max_validation_users: int = 2_000
  split: str = 'leave_one_out'
  split_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def network_sizes(self, num_items: int) -> dict[str, Any]:
    """Returns what `HistoryTransformerConfig` takes, for a catalog."""
    return {
        'num_items': num_items,
        'max_length': self.max_length,
        'embed_size': self.embed_size,
        'num_layers': self.num_layers,
        'num_heads': self.num_heads,
        'mlp_size': self.mlp_size,
        'dropout_rate': self.dropout_rate,
    }


@dataclasses.dataclass(frozen=True)
class NextItemModel:
  """What is trained, and how it is judged.

  Attributes:
    model: network and loss.
    recommender: of the same network; its parameters are replaced.
    validation_loss: sums the loss of a batch whose last position alone has a
      target; pure, of parameters and batch.
  """

  model: Model
  recommender: HistoryRecommender
  validation_loss: Callable[[Any, Batch], jax.Array]


def train(
    trained: NextItemModel,
    batches: Batches,
    config: NextItemTraining,
    *,
    num_steps: int,
    histories: Histories,
    split: splits.Split,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> Any:
  """Trains and returns the parameters with the best validation recall.

  Args:
    trained: what is trained.
    batches: the input.
    config: how to train.
    num_steps: the step at which training ends.
    histories: of the catalog.
    split: of these histories.
    seed: of the initial parameters, dropout, and the validation targets.
    mesh: the devices; all of them, each with a part of the batch, if None.
    work: where to keep what a later run goes on from.

  Raises:
    InputError: there is nothing to validate with; see `training.loop`.
  """
  evaluate_every = -(-num_steps // config.num_evaluations)
  state: TrainState = loop.train(
      trained.model,
      batches,
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
          best_metric=validation.RECALL,
      ),
      mesh=meshes.make_mesh() if mesh is None else mesh,
      rules=axis_rules.preset(),
      work_directory=work,
      evaluate=_make_validation(trained, histories, split, config, seed),
  )
  return loop.restore_best(work, state.params).state


def _make_validation(
    trained: NextItemModel,
    histories: Histories,
    split: splits.Split,
    config: NextItemTraining,
    seed: int,
) -> Callable[[Any, int], Mapping[str, float]]:
  """Returns a function that measures loss and recall on validation targets."""
  drawn = validation.draw_targets(
      histories, split.validation, config.max_validation_users, seed
  )
  users = validation.ValidationUsers.make(histories, drawn, config.batch_size)
  num_users = len(users)
  targets = np.full((num_users, config.max_length), -1, np.int32)
  targets[:, -1] = users.target_item_ids
  examples = {
      'history_item_ids': newest_items(
          histories.item_ids,
          histories.offsets[drawn.user],
          drawn.position,
          config.max_length,
      ),
      'target_item_ids': targets,
      'loss_weights': (targets >= 0).astype(np.float32),
  }
  loss_fn = jax.jit(trained.validation_loss)

  def validate(params: Any, step: int) -> dict[str, float]:
    del step
    loss = 0.0
    for rows, new in validation.equal_batches(num_users, config.batch_size):
      batch = {key: value[rows] for key, value in examples.items()}
      # A copied row is no new one: it weighs nothing.
      batch['loss_weights'] = batch['loss_weights'] * new[:, None]
      loss += loss_fn(params, batch)
    return {
        'validation/loss': float(loss) / num_users,
        validation.RECALL: users.recall(
            trained.recommender.with_params(params)
        ),
    }

  return validate
