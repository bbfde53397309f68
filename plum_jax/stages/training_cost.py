# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a run's trained models amount to, from what their stages recorded."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import build_bpr_mf
from plum_jax.baselines import flops as baseline_flops
from plum_jax.baselines.bpr_mf import BprMfModel
from plum_jax.baselines.build_lem import LemTraining
from plum_jax.baselines.build_sasrec import SasrecTraining
from plum_jax.baselines.lem import LemModel
from plum_jax.baselines.negative_sampling import NegativeSampling
from plum_jax.baselines.sasrec import SasrecModel
from plum_jax.evaluation.training_cost import count_parameters
from plum_jax.evaluation.training_cost import TrainingCost
from plum_jax.models import flops
from plum_jax.models import saved
from plum_jax.stages.generator_programs import sequence_lengths
from plum_jax.training import loop
from plum_jax.training import metric_writers
from plum_jax.training.protocols import Model


def of_generator(folder: pathlib.Path) -> TrainingCost:
  """Returns what the generator of `training/` amounts to.

  Args:
    folder: of the finished stage.

  Raises:
    InputError: it is missing or cannot be read.
  """
  parameters = _parameters(folder, 'train')
  model = saved.from_json(parameters['model'])
  feed = parameters['feed']
  encoder, decoder = sequence_lengths(
      feed['converter'], feed['task_feature_lengths']
  )
  step_flops = flops.TRAINING * flops.forward(
      model.config,
      batch_size=feed['batch_size'],
      encoder_length=encoder,
      decoder_length=decoder,
  )
  return _cost(
      folder,
      model,
      {
          'encoder_input_tokens': (1, encoder),
          'decoder_input_tokens': (1, decoder),
      },
      step_flops,
      feed['batch_size'],
  )


def of_sasrec(folder: pathlib.Path, num_items: int) -> TrainingCost:
  """Returns what SASRec amounts to.

  Args:
    folder: of the finished stage.
    num_items: items of the catalog.

  Raises:
    InputError: it is missing or cannot be read.
  """
  config = SasrecTraining(**_parameters(folder, 'sasrec'))
  network = config.network(num_items)
  return _cost(
      folder,
      SasrecModel(network),
      {},
      baseline_flops.sasrec_training_step(
          network, batch_size=config.batch_size
      ),
      config.batch_size,
  )


def of_lem(folder: pathlib.Path, num_items: int) -> TrainingCost:
  """Returns what the LEM amounts to; see `of_sasrec`."""
  parameters = _parameters(folder, 'lem')
  sampling = NegativeSampling(**parameters.pop('negatives'))
  config = LemTraining(**parameters, negatives=sampling)
  return _cost(
      folder,
      LemModel(config.network(num_items)),
      {},
      config.step_flops(num_items),
      config.batch_size,
  )


def of_bpr_mf(folder: pathlib.Path) -> TrainingCost:
  """Returns what BPR-MF amounts to.

  Args:
    folder: of the finished stage.

  Raises:
    InputError: it is missing or cannot be read.
  """
  parameters = _parameters(folder, 'bpr_mf')
  network = build_bpr_mf.load(folder).config
  batch_size = parameters['batch_size']
  # Two products of vectors for each pair.
  step_flops = flops.TRAINING * batch_size * 2 * 2 * network.embed_size
  return _cost(folder, BprMfModel(network), {}, step_flops, batch_size)


def equal_flops(
    config: LemTraining, folder: pathlib.Path, num_items: int
) -> LemTraining:
  """Gives the LEM as many steps as come nearest to the generator's FLOPs.

  Args:
    config: how the LEM is trained; its number of steps is replaced.
    folder: `training/`.
    num_items: items of the catalog.

  Raises:
    InputError: the generator's training has not finished.
  """
  training_flops = of_generator(folder).training_flops
  assert training_flops is not None
  return config.with_flops(training_flops, num_items)


def _parameters(folder: pathlib.Path, stage: str) -> dict[str, Any]:
  """Returns what a finished stage was configured with."""
  made = manifest.load(folder)
  if made is None:
    raise InputError(
        'The training has not finished.',
        where=folder,
        expected=f'a folder with {manifest.FILE_NAME}',
        fix=f'Run the stage {stage} first.',
    )
  return dict(made.parameters)


def _cost(
    folder: pathlib.Path,
    model: Model,
    batch_shapes: Mapping[str, tuple[int, int]],
    step_flops: int,
    batch_size: int,
) -> TrainingCost:
  """Puts together what the log and the model's shapes say."""
  batch: Any = {
      name: jax.ShapeDtypeStruct(shape, jnp.int32)
      for name, shape in batch_shapes.items()
  }
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), batch))
  tables, network = count_parameters(variables)
  lines = [
      line
      for line in metric_writers.read(folder / loop.METRICS)
      if line.get('train/loss') is not None
  ]
  num_steps = int(lines[-1]['step'] or 0)
  weights = [line.get('train/loss_weight') for line in lines]
  known = [weight for weight in weights if weight is not None]
  return TrainingCost(
      num_table_params=tables,
      num_network_params=network,
      training_flops=num_steps * step_flops,
      num_examples=num_steps * batch_size,
      # Logs of older versions do not say.
      num_targets=sum(known) if len(known) == len(weights) else None,
  )
