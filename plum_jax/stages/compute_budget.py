# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How many steps a generator trains for so many FLOPs."""

from __future__ import annotations

from collections.abc import Mapping

from plum_jax.artifacts.errors import InputError
from plum_jax.models import flops
from plum_jax.networks.config import NetworkConfig
from plum_jax.stages.generator_programs import sequence_lengths


def train_steps(
    config: NetworkConfig,
    converter: str,
    task_feature_lengths: Mapping[str, int],
    batch_size: int,
    training_flops: float,
) -> int:
  """Returns the number of steps that comes nearest to a budget.

  In a gin file, `TRAIN_STEPS = @compute_budget.train_steps()` trains any model
  for a budget. FLOPs are those of `models.flops`: forward and backward, logits
  included, activated experts alone.

  Args:
    config: the network.
    converter: see `data.feature_converters.make`.
    task_feature_lengths: tokens by task feature.
    batch_size: rows of a batch.
    training_flops: the budget.

  Raises:
    InputError: the budget is less than half a step.
  """
  encoder, decoder = sequence_lengths(converter, task_feature_lengths)
  step = flops.TRAINING * flops.forward(
      config,
      batch_size=batch_size,
      encoder_length=encoder,
      decoder_length=decoder,
  )
  steps = round(training_flops / step)
  if steps < 1:
    raise InputError(
        f'{training_flops:.3g} FLOPs are not enough for a step.',
        where='compute_budget.train_steps',
        expected=f'at least {step:.3g}, what a step costs',
        fix='Raise the budget, or take a smaller network or batch.',
    )
  return steps
