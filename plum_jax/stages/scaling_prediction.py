# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the next budget of a scaling study will reach, before it has run."""

from __future__ import annotations

from collections.abc import Sequence
import pathlib

from plum_jax.artifacts import manifest
from plum_jax.models import saved
from plum_jax.networks.config import TransformerConfig
from plum_jax.scaling import family
from plum_jax.scaling import results as results_lib
from plum_jax.scaling import study
from plum_jax.scaling.study import Prediction
from plum_jax.stages import scaling_study
from plum_jax.stages.run_directory import RunDirectory

# How far beyond the greatest size of the study the best one is looked for.
_FURTHER_SIZES = 4


def make(
    run_dir: str,
    sizes: Sequence[int],
    budgets: Sequence[float],
    seeds: Sequence[int],
    next_budget: float,
    config: study.FitConfig,
) -> Prediction:
  """Predicts from finished runs, and writes `scaling_prediction.json`.

  A prediction of the same budget that is there already is kept: it was made
  before its run. Delete the file to predict again from more runs.

  Args:
    run_dir: the study's folder.
    sizes: members of the family.
    budgets: FLOPs.
    seeds: of each size and budget.
    next_budget: FLOPs; 0 for those that go on with the ratio of the last two.
    config: how laws are fitted.

  Raises:
    InputError: a run has not finished, or is of another size.
  """
  budget = next_budget or study.next_budget(budgets)
  before = results_lib.load_prediction(run_dir)
  if before is not None and before.budget == budget:
    return before
  records = tuple(
      scaling_study.read_record(run_dir, *one)
      for one in study.grid(sizes, budgets, seeds)
  )
  fitted = results_lib.fit(records, config)
  name = f'{study.run_name(sizes[0], budgets[0])}/seed_{seeds[0]}'
  made = manifest.load(RunDirectory(pathlib.Path(run_dir) / name).training)
  assert made is not None
  network = saved.from_json(made.parameters['model']).config
  assert isinstance(network, TransformerConfig)
  members = {
      size: family.count_parameters(family.resized(network, size)).activated
      for size in range(1, max(sizes) + _FURTHER_SIZES + 1)
  }
  prediction = study.predict(fitted.fits, budget, members)
  results_lib.save_prediction(prediction, run_dir)
  return prediction
