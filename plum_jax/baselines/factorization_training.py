# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How matrix factorizations are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig
from plum_jax.training.protocols import Batches
from plum_jax.training.protocols import Model
from plum_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class FactorizationTraining:
  """What the training of all of them has in common.

  Attributes:
    embed_size: width of the vectors of users and items.
    num_epochs: how often each interaction of the training windows comes.
    batch_size: interactions of a step.
    learning_rate: Adam's, the highest; it falls to zero along a cosine.
    regularization: times the squared norm of the parameters that an example is
      computed from, which is added to its loss.
    num_evaluations: how often the validation targets are looked at. The
      parameters that are best there are the result.
    max_validation_users: only so many of the validation targets are looked at,
      drawn with the seed.
    split: `leave_one_out` or `by_time`.
    split_options: keyword arguments of the split's function.
  """

  embed_size: int = 64
  num_epochs: float = 20.0
  batch_size: int = 1_024
  learning_rate: float = 3e-3
  regularization: float = 0.0
  num_evaluations: int = 10
  max_validation_users: int = 2_000
  split: str = 'leave_one_out'
  split_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    least = {'num_epochs': 0, 'batch_size': 1, 'num_evaluations': 1}
    for name, value in least.items():
      if getattr(self, name) < value:
        raise self._meaningless(name, f'at least {value}')
    if not (self.learning_rate > 0 and self.regularization >= 0):
      raise self._meaningless(
          'learning_rate', 'above 0, and a regularization of at least 0'
      )

  def _meaningless(self, name: str, expected: str) -> InputError:
    return InputError(
        f'{self} is no training.',
        where=f'{type(self).__name__}.{name}',
        expected=expected,
        fix='Correct the number.',
    )


@dataclasses.dataclass(frozen=True)
class Validation:
  """How parameters are judged.

  Attributes:
    measure: of parameters; returns figures by name.
    best: the name of the one to choose by.
    mode: `max` or `min`: which of its values are good.
  """

  measure: Callable[[Any], Mapping[str, float]]
  best: str
  mode: str


def training_interactions(
    histories: Histories, split: Split
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the interactions of the training windows.

  Args:
    histories: of the catalog.
    split: of these histories.

  Returns:
    Users int64, items int32 and ratings float32 (NaN where missing), [n] each.
  """
  mask = split.train_mask(histories)
  return (
      histories.users[mask],
      histories.item_ids[mask],
      histories.ratings[mask],
  )


def train(
    model: Model,
    batches: Batches,
    config: FactorizationTraining,
    validation: Validation,
    *,
    num_rows: int,
    seed: int,
    mesh: jax.sharding.Mesh | None,
    work: pathlib.Path,
) -> Any:
  """Trains and returns the parameters that are best in validation.

  Args:
    model: what is trained.
    batches: the input.
    config: how to train.
    validation: how parameters are judged.
    num_rows: interactions of an epoch.
    seed: of the initial parameters.
    mesh: the devices; all of them, each with a part of the batch, if None.
    work: where to keep what a later run goes on from.

  Raises:
    InputError: see `training.loop`.
  """
  num_steps = max(round(config.num_epochs * num_rows / config.batch_size), 1)
  evaluate_every = -(-num_steps // config.num_evaluations)
  state: TrainState = loop.train(
      model,
      batches,
      TrainConfig(
          num_steps=num_steps,
          optimizer=optimizers.AdamW(
              schedule=schedules.Cosine(
                  learning_rate=config.learning_rate,
                  num_steps=num_steps,
                  warmup_steps=0,
              )
          ),
          seed=seed,
          log_every=max(num_steps // 50, 1),
          checkpoint_every=evaluate_every,
          keep_checkpoints=1,
          evaluate_every=evaluate_every,
          best_metric=validation.best,
          best_mode=validation.mode,
      ),
      mesh=meshes.make_mesh() if mesh is None else mesh,
      rules=axis_rules.preset(),
      work_directory=work,
      evaluate=lambda params, step: validation.measure(params),
  )
  return loop.restore_best(work, state.params).state
