# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which items of a training window are labels in an epoch, and their weights.

With r the reward of an interaction and r_max the largest of the training
windows, PLUM's loss (arXiv 2510.07784, section on SFT) is, up to the factor
r_max, the sum over labels of r / r_max times the loss of each. Drawing each
label with probability r / r_max anew every epoch, and weighing all of them
equally, has that sum as its expectation, and its gradient too. Both are here.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import tensorflow as tf

Tensors = Mapping[str, tf.Tensor]

SAMPLE, WEIGHT, IGNORE = 'sample', 'weight', 'ignore'
REWARD_USES = (SAMPLE, WEIGHT, IGNORE)
# Folded into a record's seed: one stream of random numbers for each choice.
_RATE_STREAM, _MOST_STREAM, _REWARD_STREAM = 1, 2, 3


@dataclasses.dataclass(frozen=True)
class LabelSampling:
  """How labels are chosen.

  Labels are thinned out first, whatever they are worth, and only then drawn by
  their rewards: so `sample` and `weight` have the same expectation under any
  rate and any cap. Items without a reward are no labels in either.

  Attributes:
    rewards: `sample`, `weight` or `ignore`.
    largest_reward: r_max.
    rate: each label is kept with this probability.
    max_per_user: at most so many of a user's are kept, drawn evenly; None for
      all.
  """

  rewards: str = IGNORE
  largest_reward: float = 1.0
  rate: float = 1.0
  max_per_user: int | None = None

  def describe(self) -> dict[str, Any]:
    """Returns JSON values for the description of a task."""
    return dataclasses.asdict(self)

  def candidates(self, record: Tensors, positions: tf.Tensor) -> tf.Tensor:
    """Leaves out what is worth nothing.

    Args:
      record: of training, with `rewards` float32 [n].
      positions: int32 [m] in the history, ascending.

    Returns:
      Some of them.
    """
    if self.rewards == IGNORE:
      return positions
    rewards = tf.gather(record['rewards'], positions)
    return tf.boolean_mask(positions, rewards > 0)

  def thin_out(self, positions: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Keeps a share of the labels and at most so many of them.

    Args:
      positions: int32 [m].
      seed: int32 [2], the record's and epoch's.

    Returns:
      Some of them, in their order.
    """
    if self.rate < 1:
      drawn = _uniform(positions, seed, _RATE_STREAM)
      positions = tf.boolean_mask(positions, drawn < self.rate)
    if self.max_per_user is not None:
      drawn = _uniform(positions, seed, _MOST_STREAM)
      rank = tf.argsort(tf.argsort(drawn))
      positions = tf.boolean_mask(positions, rank < self.max_per_user)
    return positions

  def draw(
      self, record: Tensors, positions: tf.Tensor, seed: tf.Tensor
  ) -> tf.Tensor:
    """Keeps each label with probability r / r_max, if so configured.

    Args:
      record: see `candidates`.
      positions: int32 [m].
      seed: int32 [2].

    Returns:
      Some of them, in their order.
    """
    if self.rewards != SAMPLE:
      return positions
    drawn = _uniform(positions, seed, _REWARD_STREAM)
    return tf.boolean_mask(positions, drawn < self.share(record, positions))

  def share(self, record: Tensors, positions: tf.Tensor) -> tf.Tensor:
    """Returns r / r_max of labels, float32 [m]."""
    return tf.gather(record['rewards'], positions) / self.largest_reward


def _uniform(positions: tf.Tensor, seed: tf.Tensor, stream: int) -> tf.Tensor:
  """Draws a number of [0, 1) for each position."""
  return tf.random.stateless_uniform(
      tf.shape(positions), tf.random.fold_in(seed, stream)
  )
