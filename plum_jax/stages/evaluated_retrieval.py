# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the stage evaluate has measured of retrieval, to stand beside more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plum_jax.artifacts import manifest
from plum_jax.evaluation import results as results_lib
from plum_jax.evaluation.task_results import Figures
from plum_jax.evaluation.task_results import metric_names
from plum_jax.evaluation.task_results import RETRIEVAL
from plum_jax.evaluation.task_results import Undefined
from plum_jax.stages import evaluated_models
from plum_jax.stages.evaluated_tasks import RECOMMENDERS
from plum_jax.stages.run_directory import RunDirectory

_NO_RECOMMENDER = 'it recommends nothing'


def read_retrieval(
    folders: RunDirectory, targets: str, ks: Sequence[int]
) -> Callable[[str], Figures]:
  """Reads `evaluation/`, if it is there.

  Args:
    folders: of the run.
    targets: `test` or `validation`.
    ks: cut-offs.

  Returns:
    A function of a model's name: its Recall and NDCG, or why there are none.

  Raises:
    InputError: the evaluation is of other artifacts than those that are there.
  """
  if manifest.load(folders.evaluation) is None:
    return _none('the run has no finished evaluation/')
  saved = results_lib.load_results(folders.evaluation)
  of = saved.protocol['split']
  if not of.endswith(f', {targets}'):
    return _none(f'evaluation/ is of {of}, not of {targets}')

  def figures(name: str) -> Figures:
    if name not in RECOMMENDERS:
      return Undefined(_NO_RECOMMENDER)
    if name not in saved.protocol['recommenders']:
      return Undefined('RECOMMENDERS of the stage evaluate left it out')
    for role, path in evaluated_models.inputs(folders, name).items():
      manifest.check_input(folders.evaluation, role, path)
    names = metric_names(tuple(ks))[RETRIEVAL]
    return {metric: saved.metrics.get(f'{name}/{metric}') for metric in names}

  return figures


def _none(reason: str) -> Callable[[str], Figures]:
  """Returns a function that knows of no figures."""
  return lambda name: Undefined(
      reason if name in RECOMMENDERS else _NO_RECOMMENDER
  )
