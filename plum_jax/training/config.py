# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How to train, as plain values."""

from __future__ import annotations

import dataclasses

from plum_jax.artifacts.errors import InputError
from plum_jax.training import optimizers


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """How to train.

  Attributes:
    num_steps: the step at which training ends.
    optimizer: the optimizer and its learning rate.
    seed: seed of the initial parameters and of dropout.
    num_microbatches: pieces that a batch is computed in, one after another,
      to save memory. The sum of their gradients is the whole batch's.
    log_every: steps whose metrics are averaged into one line.
    checkpoint_every: steps between checkpoints. The last step has one too.
    checkpoint_every_seconds: a checkpoint as well after so many seconds
      without one; None means never. Several processes look at the clock of
      the first, every `log_every` steps.
    keep_checkpoints: how many of the latest checkpoints stay.
    evaluate_every: steps between evaluations; 0 means at the end alone.
    best_metric: name of an evaluation's scalar; the parameters with its best
      value are kept in `best/`. None keeps none.
    best_mode: `max` or `min`: which values of `best_metric` are good.
    trainable: regular expressions; only parameters whose name one of them
      finds are trained. All of them if there is none.
  """

  num_steps: int
  optimizer: optimizers.OptimizerConfig = optimizers.Adafactor()
  seed: int = 0
  num_microbatches: int = 1
  log_every: int = 100
  checkpoint_every: int = 1_000
  checkpoint_every_seconds: float | None = None
  keep_checkpoints: int = 3
  evaluate_every: int = 0
  best_metric: str | None = None
  best_mode: str = 'max'
  trainable: tuple[str, ...] = ()

  def __post_init__(self):
    for name in (
        'num_steps',
        'num_microbatches',
        'log_every',
        'checkpoint_every',
        'keep_checkpoints',
    ):
      if getattr(self, name) < 1:
        raise _meaningless(name, getattr(self, name), 'at least 1')
    if self.evaluate_every < 0:
      raise _meaningless('evaluate_every', self.evaluate_every, 'at least 0')
    if self.best_mode not in ('max', 'min'):
      raise _meaningless('best_mode', self.best_mode, 'max or min')
    if not 0 <= self.seed < 2**32:
      raise _meaningless('seed', self.seed, 'from 0 to 2**32 - 1')


def _meaningless(name: str, value: object, expected: str) -> InputError:
  return InputError(
      f'{name}={value} has no meaning in training.',
      where=f'TrainConfig.{name}',
      expected=expected,
      fix='Correct the value.',
  )
