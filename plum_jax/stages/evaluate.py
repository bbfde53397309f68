# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""All recommenders of a run, evaluated in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import pathlib
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import build_lem
from plum_jax.baselines import build_sasrec
from plum_jax.baselines.popularity import count_interactions
from plum_jax.baselines.popularity import PopularityRecommender
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.data.evaluation_arrays import DECODER_ONLY
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.data.task_description import describe
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import describe_strategy
from plum_jax.decoding.strategies import Strategy
from plum_jax.evaluation import evaluator
from plum_jax.evaluation import item_groups
from plum_jax.evaluation import results as results_lib
from plum_jax.evaluation.diversity import item_categories
from plum_jax.evaluation.evaluator import EvaluationResult
from plum_jax.evaluation.generative import GenerativeRecommender
from plum_jax.evaluation.protocols import Recommender
from plum_jax.evaluation.training_cost import TrainingCost
from plum_jax.models import saved
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import lineage
from plum_jax.stages import train
from plum_jax.stages import training_cost
from plum_jax.stages.generator import load_index
from plum_jax.stages.run_directory import RunDirectory

GENERATIVE, SASREC, LEM = 'generative', 'sasrec', 'lem'
POPULARITY = 'popularity'


def run(
    run_dir: str,
    recommenders: Sequence[str],
    task: str,
    task_feature_lengths: Mapping[str, int],
    split: str,
    ks: Sequence[int],
    beam_size: int,
    batch_size: int,
    exclude_history: bool,
    decoding: Strategy = BEAM_SEARCH,
    mesh: jax.sharding.Mesh | None = None,
) -> None:
  """Writes `evaluation/` from the artifacts of all earlier stages.

  Args:
    run_dir: the run directory.
    recommenders: which to evaluate: `generative`, `lem`, `sasrec`,
      `popularity`.
    task: the registered task whose prompts the generator continues.
    task_feature_lengths: tokens by task feature.
    split: `test` or `validation`.
    ks: cut-offs of the metrics.
    beam_size: beams of the generator's beam search; the other strategies have
      as many as the greatest cut-off.
    batch_size: users at a time.
    exclude_history: whether items of the history are never recommended.
    decoding: how the generator chooses items.
    mesh: the devices that the generator runs on; one if None.

  Raises:
    InputError: an artifact is missing, or was made with another one than that
      in the run directory; there is no such recommender.
  """
  folders = RunDirectory(run_dir)
  inputs = _inputs(folders, recommenders)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    catalog = Catalog.load(folders.catalog)
    made_split = splits.make_split(catalog.histories, *_split(folders))
    counts = count_interactions(catalog.histories, made_split)
    model_kind = DECODER_ONLY
    makers: dict[str, Callable[[], Recommender]] = {
        POPULARITY: lambda: PopularityRecommender(counts),
        SASREC: lambda: build_sasrec.load(folders.sasrec),
        LEM: lambda: build_lem.load(folders.lem),
    }
    if GENERATIVE in recommenders:
      model, params, _ = train.load(run_dir)
      model_kind = saved.kind(model)
      search = {'beam_size': beam_size, 'strategy': decoding, 'mesh': mesh}
      makers[GENERATIVE] = lambda: GenerativeRecommender(
          model, params, load_index(folders), **search
      )
    features = evaluation_arrays(task, split, task_feature_lengths, model_kind)
    targets, users = features.pop('target_item_ids'), features.pop('user')
    results = {}
    for name in recommenders:
      result = evaluator.evaluate(
          makers[name](),
          features,
          targets,
          num_items=catalog.num_items,
          ks=ks,
          batch_size=batch_size,
          exclude_history=exclude_history,
          categories=item_categories(catalog.items['categories']),
          name=f'evaluation of {name}',
      )
      results[name] = _with_groups(result, counts, made_split).with_metrics(
          _training_cost(folders, name, catalog.num_items).metrics()
      )
    user_ids = np.asarray(catalog.histories.user_ids, dtype=object)[users]
    results_lib.save_results(
        directory,
        results,
        split=f'{_split(folders)[0]}, {split}',
        user_ids=user_ids.tolist(),
        item_ids=catalog.item_ids,
        history_item_ids=features['history_item_ids'],
    )

  stage.run(
      'evaluation',
      folders.evaluation,
      make,
      inputs=inputs,
      parameters={
          'recommenders': list(recommenders),
          'task': describe(task),
          'task_feature_lengths': dict(task_feature_lengths),
          'split': split,
          'ks': list(ks),
          'beam_size': beam_size,
          'batch_size': batch_size,
          'exclude_history': exclude_history,
          'decoding': describe_strategy(decoding),
      },
  )


def _with_groups(
    result: EvaluationResult, counts: np.ndarray, split: splits.Split
) -> EvaluationResult:
  """Adds figures by the popularity of targets and for cold-start items."""
  return result.with_metrics(
      item_groups.group_metrics(
          result.item_ids,
          result.targets,
          deciles=item_groups.popularity_deciles(counts),
          cold_start_items=split.cold_start_items,
          ks=result.ks,
      )
  )


def _inputs(
    folders: RunDirectory, recommenders: Sequence[str]
) -> dict[str, pathlib.Path]:
  """Names what is read, and checks that all of it belongs together."""
  made_from = {
      GENERATIVE: (
          folders.training,
          {
              'semantic_ids': folders.semantic_ids,
              'vocabulary': folders.vocabulary,
          },
      ),
      SASREC: (folders.sasrec, {'catalog': folders.catalog}),
      LEM: (folders.lem, _lem_needs(folders)),
      POPULARITY: (folders.tasks, {'catalog': folders.catalog}),
  }
  inputs = {'catalog': folders.catalog, 'tasks': folders.tasks}
  for name in recommenders:
    if name not in made_from:
      raise InputError(
          f'There is no recommender {name!r}.',
          where='recommenders',
          expected=f'some of {", ".join(made_from)}',
          fix='Correct the name.',
      )
    made, needs = made_from[name]
    for role, path in needs.items():
      if role == 'semantic_ids':
        # Items may have been added since: all others have the same SIDs.
        lineage.check_input(made, role, path)
      else:
        manifest.check_input(made, role, path)
    inputs |= {made.name: made, **needs}
  # Prompts and targets are item numbers and SIDs of just these.
  manifest.check_input(folders.tasks, 'catalog', folders.catalog)
  if GENERATIVE in recommenders:
    table = folders.semantic_ids / semantic_ids.TABLE_FILE
    manifest.check_input(folders.tasks, 'semantic_ids', table)
  return inputs


def _lem_needs(folders: RunDirectory) -> dict[str, pathlib.Path]:
  """Names what the LEM was made from: a training, if it has its FLOPs."""
  made = manifest.load(folders.lem)
  needs = {'catalog': folders.catalog}
  if made is not None and 'training' in made.inputs:
    needs['training'] = folders.training
  return needs


def _split(folders: RunDirectory) -> tuple[str, Mapping[str, Any]]:
  """Returns name and options of the split that the tasks were made with."""
  made = manifest.load(folders.tasks)
  if made is None:
    raise InputError(
        'The tasks have no manifest.',
        where=folders.tasks,
        expected=f'a folder with {manifest.FILE_NAME}',
        fix='Run the stage tasks.',
    )
  return made.parameters['split'], made.parameters['split_options']


def _training_cost(
    folders: RunDirectory, name: str, num_items: int
) -> TrainingCost:
  """Returns what a recommender amounts to; popularity has no training."""
  if name == GENERATIVE:
    return training_cost.of_generator(folders.training)
  if name == SASREC:
    return training_cost.of_sasrec(folders.sasrec, num_items)
  if name == LEM:
    return training_cost.of_lem(folders.lem, num_items)
  return TrainingCost()
