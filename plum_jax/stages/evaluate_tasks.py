# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Retrieval, ranking and rating of all models of a run, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

import jax

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.data.task_description import describe
from plum_jax.evaluation import task_results
from plum_jax.evaluation.task_results import Figures
from plum_jax.evaluation.task_results import RANKING
from plum_jax.evaluation.task_results import RATING
from plum_jax.evaluation.task_results import RETRIEVAL
from plum_jax.evaluation.task_results import Undefined
from plum_jax.reports import task_table
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.stages import evaluated_models
from plum_jax.stages.evaluated_models import GENERATORS
from plum_jax.stages.evaluated_retrieval import read_retrieval
from plum_jax.stages.evaluated_tasks import evaluate_ranking
from plum_jax.stages.evaluated_tasks import evaluate_rating
from plum_jax.stages.evaluated_tasks import Evaluated
from plum_jax.stages.evaluated_tasks import MODELS
from plum_jax.stages.evaluated_tasks import RankingQuestion
from plum_jax.stages.evaluated_tasks import RatingQuestion
from plum_jax.stages.run_directory import RunDirectory


def run(
    run_dir: str,
    models: Sequence[str],
    ranking: RankingQuestion,
    rating: RatingQuestion,
    task_feature_lengths: Mapping[str, int],
    split: str,
    split_options: Mapping[str, Any],
    targets: str,
    batch_size: int,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `task_evaluation/`, and prints its tables.

  Ranking and rating are measured here, of all models in the same way;
  retrieval is what the stage `evaluate` has measured. What a model, or the run,
  lacks is not defined, and `protocol.json` says why.

  Args:
    run_dir: the run directory.
    models: which to evaluate; see `evaluated_tasks.MODELS`.
    ranking: what is ranked, and how the generator is asked.
    rating: which ratings are predicted, and how the generator is asked.
    task_feature_lengths: tokens by task feature.
    split: `leave_one_out` or `by_time`, as the models were trained with.
    split_options: keyword arguments of the split; see `catalog.splits`.
    targets: `test` or `validation`.
    batch_size: users at a time.
    mesh: the devices that the generator runs on; one if None.

  Raises:
    InputError: there is no such model; a model was made with another artifact
      than that in the run directory, or with another split.
  """
  folders = RunDirectory(run_dir)
  lacking = _lacking(folders, models)
  made_split = (split, dict(split_options))
  inputs = _inputs(folders, [x for x in models if x not in lacking], made_split)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    catalog = Catalog.load(folders.catalog)
    histories = catalog.histories
    found_split = splits.make_split(histories, split, split_options)
    evaluated = Evaluated(
        folders,
        histories,
        found_split,
        _targets(found_split, targets),
        targets,
        ranking,
        rating,
        task_feature_lengths,
        batch_size,
        mesh,
    )
    results = task_results.collect(
        _measure(evaluated, models, lacking),
        ks=tuple(ranking.ks),
        protocol={
            'split': f'{split}, {targets}',
            'num_targets': len(evaluated.targets),
            'num_ratings': len(evaluated.rated_targets),
            **ranking.protocol(),
            **rating.protocol(),
        },
    )
    task_results.save(results, directory)

  stage.run(
      'task_evaluation',
      folders.task_evaluation,
      make,
      inputs=inputs,
      parameters={
          'models': list(models),
          'ranking': ranking.protocol() | _task(ranking.task),
          'rating': rating.protocol() | _task(rating.task),
          'task_feature_lengths': dict(task_feature_lengths),
          'split': split,
          'split_options': dict(split_options),
          'targets': targets,
          'batch_size': batch_size,
          'lacking': lacking,
      },
      seed=ranking.seed,
  )
  results = task_results.load(folders.task_evaluation)
  print(f'\n{task_table.text_table(results)}')


def _measure(
    evaluated: Evaluated, models: Sequence[str], lacking: Mapping[str, str]
) -> dict[str, dict[str, Figures]]:
  """Returns the figures of each model and task."""
  retrieval = read_retrieval(
      evaluated.folders, evaluated.split_name, evaluated.ranking.ks
  )
  figures: dict[str, dict[str, Figures]] = {}
  for name in models:
    if name in lacking:
      figures[name] = dict.fromkeys(
          task_results.TASKS, Undefined(lacking[name])
      )
      continue
    figures[name] = {
        RETRIEVAL: retrieval(name),
        RANKING: evaluate_ranking(evaluated, name),
        RATING: evaluate_rating(evaluated, name),
    }
  return figures


def _targets(split: splits.Split, name: str) -> splits.Targets:
  """Returns the targets of a split by name."""
  targets = {'test': split.test, 'validation': split.validation}
  if name not in targets:
    raise InputError(
        f'There are no targets in a split {name!r}.',
        where='EVALUATION_SPLIT',
        expected=' or '.join(targets),
        fix='Correct the name.',
    )
  return targets[name]


def _task(name: str) -> dict[str, Any]:
  return {'task': describe(name)} if name else {}


def _lacking(folders: RunDirectory, models: Sequence[str]) -> dict[str, str]:
  """Says of which models the run has nothing, and why."""
  lacking = {}
  for name in models:
    if name not in MODELS:
      raise InputError(
          f'There is no model {name!r}.',
          where='MODELS',
          expected=f'some of {", ".join(MODELS)}',
          fix='Correct the name.',
      )
    folder = evaluated_models.folder(folders, name)
    if folder is not None and manifest.load(folder) is None:
      lacking[name] = f'the run has no finished {folder.name}/'
  return lacking


def _inputs(
    folders: RunDirectory,
    models: Sequence[str],
    split: tuple[str, Mapping[str, Any]],
) -> dict[str, pathlib.Path]:
  """Names what is read, and checks that all of it belongs together."""
  inputs = {'catalog': folders.catalog}
  for name in models:
    inputs |= evaluated_models.inputs(folders, name)
    folder = evaluated_models.folder(folders, name)
    if folder is not None and name not in GENERATORS:
      made = manifest.load(folder)
      assert made is not None
      found = made.parameters['split'], made.parameters['split_options']
      _check_split(folder, found, split)
  if not set(GENERATORS).isdisjoint(models):
    # Prompts and targets are item numbers and SIDs of just these.
    inputs |= {'tasks': folders.tasks}
    manifest.check_input(folders.tasks, 'catalog', folders.catalog)
    table = folders.semantic_ids / semantic_ids.TABLE_FILE
    manifest.check_input(folders.tasks, 'semantic_ids', table)
    found = evaluated_models.split_of_tasks(folders)
    _check_split(folders.tasks, found, split)
  if manifest.load(folders.evaluation) is not None:
    inputs |= {'evaluation': folders.evaluation}
  return inputs


def _check_split(
    folder: pathlib.Path,
    found: tuple[str, Mapping[str, Any]],
    split: tuple[str, Mapping[str, Any]],
) -> None:
  """Refuses what was made with another split: it has seen other targets."""
  if (found[0], dict(found[1])) != split:
    raise InputError(
        f'{folder} was made with the split {found}.',
        where='SPLIT, SPLIT_OPTIONS',
        expected=f'the same as here, {split}',
        fix='Correct SPLIT, or run that stage again.',
    )
