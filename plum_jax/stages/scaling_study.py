# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The runs of a scaling study, fitted and shown on one page."""

from __future__ import annotations

from collections.abc import Sequence
import json
import pathlib
from typing import Any

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation.training_cost import TrainingCost
from plum_jax.models import saved
from plum_jax.networks.config import TransformerConfig
from plum_jax.reports import scaling_page
from plum_jax.scaling import family
from plum_jax.scaling import results as results_lib
from plum_jax.scaling import study
from plum_jax.scaling.study import Record
from plum_jax.stages import evaluation_loss
from plum_jax.stages import training_cost
from plum_jax.stages.generator_programs import sequence_lengths
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.training import loop
from plum_jax.training import metric_writers

_RECALL = 'generative/retrieval/recall@10'
# The part of training, its end, that the training loss is the mean of.
_LAST_PART = 0.1


def run(
    run_dir: str,
    sizes: Sequence[int],
    budgets: Sequence[float],
    seeds: Sequence[int],
    config: study.FitConfig,
) -> None:
  """Writes `scaling_study/` from finished runs, and prints the table.

  Args:
    run_dir: the study's folder, which holds the runs.
    sizes: members of the family.
    budgets: FLOPs.
    seeds: of each size and budget.
    config: how laws are fitted.

  Raises:
    InputError: a run has not finished, or was not trained for its budget.
  """
  folders = RunDirectory(run_dir)
  grid = study.grid(sizes, budgets, seeds)
  prediction = results_lib.load_prediction(run_dir)
  inputs: dict[str, pathlib.Path] = {}
  predicted: list[tuple[int, float, int]] = []
  for one in grid:
    _check_finished(run_dir, *one)
    inputs |= _inputs(run_dir, *one)
  if prediction is not None:
    inputs['prediction'] = pathlib.Path(run_dir) / results_lib.PREDICTION_FILE
    predicted = [(prediction.size, prediction.budget, seed) for seed in seeds]
    # What was predicted may still be under way.
    if not all(is_finished(run_dir, *one) for one in predicted):
      predicted = []
    for one in predicted:
      inputs |= _inputs(run_dir, *one)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    made = prediction
    if made is not None and predicted:
      made = made.with_measured(
          [read_record(run_dir, *one) for one in predicted]
      )
    records = tuple(read_record(run_dir, *one) for one in grid)
    results = results_lib.fit(records, config, made)
    results_lib.save(results, directory)
    name = pathlib.Path(run_dir).resolve().name
    scaling_page.build(results, directory, name)
    text = scaling_page.text_table(results)
    (directory / _TABLE).write_text(text + '\n', encoding='utf-8')

  stage.run(
      'scaling_study',
      folders.scaling_study,
      make,
      inputs=inputs,
      parameters={
          'sizes': list(sizes),
          'budgets': list(budgets),
          'seeds': list(seeds),
          'with_floor': config.with_floor,
          'num_draws': config.num_draws,
      },
      seed=config.seed,
  )
  print('\n' + (folders.scaling_study / _TABLE).read_text(encoding='utf-8'))
  print(f'Report: {folders.scaling_study / scaling_page.FILE_NAME}')


_TABLE = 'table.txt'


def _folders(
    run_dir: str, size: int, budget: float, seed: int
) -> list[pathlib.Path]:
  """Returns what is read of a run."""
  name = f'{study.run_name(size, budget)}/seed_{seed}'
  folders = RunDirectory(pathlib.Path(run_dir) / name)
  return [folders.training, folders.evaluation, folders.evaluation_loss]


def is_finished(run_dir: str, size: int, budget: float, seed: int) -> bool:
  """Whether a run of a study is whole; see `read_record`."""
  found = _folders(run_dir, size, budget, seed)
  return all(manifest.load(folder) is not None for folder in found)


def _check_finished(run_dir: str, size: int, budget: float, seed: int) -> None:
  if not is_finished(run_dir, size, budget, seed):
    raise InputError(
        'The run has not finished.',
        where=_folders(run_dir, size, budget, seed)[0].parent,
        expected='training/, evaluation/ and evaluation_loss/',
        fix='Run plum_jax.launch.scaling_study, which goes on with it.',
    )


def _inputs(
    run_dir: str, size: int, budget: float, seed: int
) -> dict[str, pathlib.Path]:
  return {
      folder.relative_to(run_dir).as_posix(): folder
      for folder in _folders(run_dir, size, budget, seed)
  }


def read_record(run_dir: str, size: int, budget: float, seed: int) -> Record:
  """Reads what a run of a study amounts to.

  Args:
    run_dir: the study's folder.
    size: the run's size.
    budget: its budget.
    seed: its seed.

  Raises:
    InputError: something is missing, or the run is of another size.
  """
  root = pathlib.Path(run_dir) / study.run_name(size, budget) / f'seed_{seed}'
  folders = RunDirectory(root)
  config, feed = _trained(folders.training, size)
  cost = training_cost.of_generator(folders.training)
  loss, steps = training_loss(folders.training / loop.METRICS)
  _check_budget(folders.training, cost, steps, budget)
  parameters = family.count_parameters(config)
  assert cost.num_examples is not None
  row = sequence_lengths(feed['converter'], feed['task_feature_lengths'])[1]
  recall = _metric(folders.evaluation / 'metrics.json', _RECALL)
  held_out = _metric(
      folders.evaluation_loss / evaluation_loss.METRICS_FILE,
      evaluation_loss.LOSS,
  )
  return Record(
      size=size,
      budget=budget,
      seed=seed,
      flops=float(cost.training_flops or 0),
      steps=steps,
      tokens=cost.num_examples * row,
      parameters=parameters.activated,
      total_parameters=parameters.total,
      metrics={
          study.TRAINING_LOSS: loss,
          study.EVALUATION_LOSS: held_out,
          study.MISS_RATE: 1 - recall,
      },
  )


def _trained(
    folder: pathlib.Path, size: int
) -> tuple[TransformerConfig, dict[str, Any]]:
  """Returns network and feed of a training, which must be of the size."""
  made = manifest.load(folder)
  assert made is not None, folder
  config = saved.from_json(made.parameters['model']).config
  if not isinstance(config, TransformerConfig) or config.num_layers != size:
    raise InputError(
        f'The run is not of size {size}.',
        where=folder,
        expected=f'a decoder-only network of {size} layers, got {config}',
        fix='Let MODEL be @family.network() with MODEL_SIZE, as in '
        'gin/models/scaling_family.gin.',
    )
  return config, dict(made.parameters['feed'])


def _check_budget(
    folder: pathlib.Path, cost: TrainingCost, steps: int, budget: float
) -> None:
  """Refuses a run of another budget: whole steps come nearest to it."""
  spent = cost.training_flops or 0
  if abs(spent - budget) > 0.501 * spent / steps:
    raise InputError(
        f'The run was trained with {spent:.4g} FLOPs.',
        where=folder,
        expected=f'the whole steps nearest to {budget:.4g}',
        fix="Let TRAIN_STEPS be @compute_budget.train_steps(); a catalog's "
        'file may have set it.',
    )


def training_loss(path: pathlib.Path) -> tuple[float, int]:
  """Returns the training loss at the end, and the number of steps.

  Args:
    path: the log of training.

  Returns:
    The mean over the targets of the last tenth of the steps, auxiliary losses
    left out; and the last step.
  """
  lines = [
      line
      for line in metric_writers.read(path)
      if line.get('train/loss') is not None
  ]
  last = int(lines[-1]['step'] or 0)
  total = weight = 0.0
  for line in lines:
    if int(line['step'] or 0) <= (1 - _LAST_PART) * last:
      continue
    tokens = line['train/loss_weight'] or 0.0
    loss = line['train/loss'] or 0.0
    total += tokens * (loss - (line.get('train/router_loss') or 0.0))
    weight += tokens
  return total / weight, last


def _metric(path: pathlib.Path, name: str) -> float:
  value = json.loads(path.read_text(encoding='utf-8')).get(name)
  if value is None:
    raise InputError(
        f'The run does not record {name}.',
        where=path,
        expected='the generator among RECOMMENDERS and 10 among CUTOFFS',
        fix='--gin.RECOMMENDERS="(\'generative\',)"',
    )
  return float(value)
