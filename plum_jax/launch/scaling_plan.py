# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a scaling study consists of, read from its configuration."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import dataclasses
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import catalog
from plum_jax.launch import command_line
from plum_jax.launch import evaluate
from plum_jax.launch import evaluation_loss
from plum_jax.launch import item_embeddings
from plum_jax.launch import pipeline
from plum_jax.launch import semantic_ids
from plum_jax.launch import tasks
from plum_jax.launch import train
from plum_jax.launch import vocabulary
from plum_jax.launch.config import loading
from plum_jax.launch.stage import Stage
from plum_jax.launch.study_plan import PlannedRun
from plum_jax.launch.study_plan import Study
from plum_jax.scaling.study import FitConfig
from plum_jax.scaling.study import grid
from plum_jax.scaling.study import run_name

PROGRAM = 'plum_jax.launch.scaling_study'
_DESCRIPTION = """\
  Trains a family of sizes for several budgets of FLOPs each, and fits power
  laws of training loss, evaluation loss and Recall@10. Finished stages are
  skipped, so the same command goes on with a killed study; what runs share is
  made once.

    --predict                afterwards predicts the best size of the next
                             budget and what it reaches, writes that down, runs
                             it and compares
    --next_budget=FLOPS      that budget; else it goes on with the last ratio
    --stages=NAME,NAME,...   what a run consists of; from catalog to evaluate
                             and evaluation_loss
    --gin_file, --gin.NAME   as below; SCALING_SIZES, SCALING_BUDGETS and
                             SCALING_SEEDS say which runs there are

  The experiment's MODEL follows from MODEL_SIZE and its TRAIN_STEPS from
  TRAINING_FLOPS, as in gin/models/scaling_family.gin. Runs lie in
  RUN_DIR/size_<n>-flops_<budget>/seed_<n>, the report in RUN_DIR/scaling_study.
"""
_STAGES = (
    catalog.STAGE,
    item_embeddings.STAGE,
    semantic_ids.STAGE,
    vocabulary.STAGE,
    tasks.STAGE,
    train.STAGE,
    evaluate.STAGE,
    evaluation_loss.STAGE,
)


@dataclasses.dataclass(frozen=True)
class ScalingPlan:
  """A scaling study.

  Attributes:
    study: its runs, by budget from small to large.
    arguments: the command line, without what makes a run one of them.
    sizes: members of the family.
    budgets: FLOPs.
    predicts: whether the next budget is predicted and run.
    next_budget: that budget; 0 for one that goes on with the last ratio.
    fit: how laws are fitted.
  """

  study: Study
  arguments: loading.Arguments
  sizes: tuple[int, ...]
  budgets: tuple[float, ...]
  predicts: bool
  next_budget: float
  fit: FitConfig


def parse(argv: Sequence[str], stage: Stage) -> ScalingPlan:
  """Reads the command line of a scaling study; `--help` prints and exits.

  Args:
    argv: the arguments.
    stage: the stage that fits the runs.

  Returns:
    The plan. Of the configuration, only what it decides is checked.

  Raises:
    InputError: there are no sizes, budgets or seeds, or one comes twice or is
      below what it can be; the next budget is not beyond the others; there are
      too few budgets for what is asked.
  """
  parser = argparse.ArgumentParser(
      prog=f'python -m {PROGRAM}', add_help=False, allow_abbrev=False
  )
  parser.add_argument('--predict', action='store_true')
  parser.add_argument('--next_budget', default='')
  parser.add_argument('--stages', default='')
  flags, rest = parser.parse_known_args(argv)
  stages = pipeline.named_stages(flags.stages) if flags.stages else _STAGES
  arguments = command_line.parse(rest, PROGRAM, _DESCRIPTION, [*stages, stage])
  sources = loading.read(stage.name, arguments)
  sizes = _values(sources, 'SCALING_SIZES', 1)
  budgets = _values(sources, 'SCALING_BUDGETS', 1)
  seeds = _values(sources, 'SCALING_SEEDS', 0)
  further = _next_budget(flags.next_budget, budgets)
  if flags.predict:
    _check_enough(budgets, 2, '--predict')
  if sources.macro('SCALING_FLOOR'):
    _check_enough(budgets, 4, 'SCALING_FLOOR')
  study = Study(
      directory=application.run_directory(sources),
      experiments=(),
      seeds=seeds,
      stages=tuple(stages),
      metrics=(),
      reused=(),
      runs=(),
  )
  fit = FitConfig(
      with_floor=sources.macro('SCALING_FLOOR'),
      num_draws=sources.macro('SCALING_DRAWS'),
      seed=sources.macro('SEED'),
  )
  plan = ScalingPlan(
      study, arguments, sizes, budgets, flags.predict, further, fit
  )
  return with_runs(plan, sizes, budgets)


def with_runs(
    plan: ScalingPlan, sizes: Sequence[int], budgets: Sequence[float]
) -> ScalingPlan:
  """Returns a plan of other runs in the same folder.

  Runs that are not among them give them what they share.

  Args:
    plan: a plan.
    sizes: of the runs.
    budgets: of the runs.
  """
  runs = tuple(
      _planned(plan, size, budget, seed)
      for size, budget, seed in grid(sizes, budgets, plan.study.seeds)
  )
  known = {run.directory for run in runs}
  others = [
      run.directory for run in plan.study.runs if run.directory not in known
  ]
  study = dataclasses.replace(
      plan.study,
      experiments=tuple(dict.fromkeys(run.experiment for run in runs)),
      runs=runs,
      reused=(*plan.study.reused, *others),
  )
  return dataclasses.replace(plan, study=study)


def _planned(
    plan: ScalingPlan, size: int, budget: float, seed: int
) -> PlannedRun:
  """Adds to the arguments what makes a run this one."""
  name = run_name(size, budget)
  directory = plan.study.directory / name / f'seed_{seed}'
  own = [
      f'RUN_DIR={str(directory)!r}',
      f'SEED={seed}',
      f'MODEL_SIZE={size}',
      f'TRAINING_FLOPS={float(budget)!r}',
  ]
  arguments = dataclasses.replace(
      plan.arguments, bindings=[*plan.arguments.bindings, *own]
  )
  return PlannedRun(name, seed, directory, arguments)


def _values(sources: loading.Sources, name: str, least: float) -> Any:
  values = sources.macro(name)
  if (
      not values
      or len(set(values)) < len(values)
      or not all(value >= least for value in values)
  ):
    raise InputError(
        f'{name} = {values} cannot be studied.',
        where=name,
        expected=f'at least one value, none twice and none below {least}',
        fix='Correct the list.',
    )
  return tuple(values)


def _check_enough(budgets: Sequence[float], least: int, asked: str) -> None:
  if len(budgets) < least:
    raise InputError(
        f'{len(budgets)} budgets are too few for {asked}.',
        where=f'{asked}, SCALING_BUDGETS={budgets}',
        expected=f'at least {least} budgets',
        fix=f'Add a budget, or leave {asked} out.',
    )


def _next_budget(text: str, budgets: Sequence[float]) -> float:
  if not text:
    return 0.0
  try:
    value = float(text)
  except ValueError:
    value = 0.0
  if not value > max(budgets):
    raise InputError(
        f'{text!r} is no budget beyond the others.',
        where=f'--next_budget={text}',
        expected=f'more than {max(budgets):.3g} FLOPs',
        fix='--next_budget=8e12',
    )
  return value
