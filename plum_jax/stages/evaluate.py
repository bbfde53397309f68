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
from plum_jax.baselines import build_bpr_mf
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
from plum_jax.evaluation.generative_titles import TitleRecommender
from plum_jax.evaluation.protocols import Recommender
from plum_jax.evaluation.training_cost import TrainingCost
from plum_jax.models import saved
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.stages import evaluated_models
from plum_jax.stages import train
from plum_jax.stages import training_cost
from plum_jax.stages.evaluated_models import BPR_MF
from plum_jax.stages.evaluated_models import GENERATIVE
from plum_jax.stages.evaluated_models import LEM
from plum_jax.stages.evaluated_models import POPULARITY
from plum_jax.stages.evaluated_models import SASREC
from plum_jax.stages.evaluated_models import TITLES
from plum_jax.stages.generator import load_index
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.stages.titles import load_title_trie

_RECOMMENDERS = (GENERATIVE, TITLES, SASREC, LEM, BPR_MF, POPULARITY)


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
    title_task: str = '',
    max_title_tokens: int | None = None,
) -> None:
  """Writes `evaluation/` from the artifacts of all earlier stages.

  Args:
    run_dir: the run directory.
    recommenders: which to evaluate: `generative`, `generative_titles` (the
      generator, which writes titles), `lem`, `sasrec`, `bpr_mf`, `popularity`.
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
    title_task: the registered task whose prompts a title follows.
    max_title_tokens: longer titles are cut, as that task cuts them.

  Raises:
    InputError: an artifact is missing, or was made with another one than that
      in the run directory; there is no such recommender.
  """
  folders = RunDirectory(run_dir)
  inputs = _inputs(folders, recommenders)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    catalog = Catalog.load(folders.catalog)
    split_name, split_options = evaluated_models.split_of_tasks(folders)
    made_split = splits.make_split(catalog.histories, split_name, split_options)
    counts = count_interactions(catalog.histories, made_split)
    makers, model_kind = _baselines(folders, counts), DECODER_ONLY
    if _generates(recommenders):
      found, model_kind = _generators(
          folders, beam_size, decoding, max_title_tokens, mesh
      )
      makers |= found
    features = evaluation_arrays(task, split, task_feature_lengths, model_kind)
    targets = features.pop('target_item_ids')
    title_features = {}
    if TITLES in recommenders:
      title_features = _title_features(
          title_task, split, task_feature_lengths, model_kind, features, targets
      )
    results = {}
    for name in recommenders:
      result = evaluator.evaluate(
          makers[name](),
          title_features if name == TITLES else features,
          targets,
          num_items=catalog.num_items,
          ks=ks,
          batch_size=batch_size,
          exclude_history=exclude_history,
          categories=item_categories(catalog.items['categories']),
          name=f'evaluation of {name}',
      )
      cost = _training_cost(folders, name, catalog.num_items)
      figures = _of_groups(result, counts, made_split) | cost.metrics()
      results[name] = result.with_metrics(figures)
    results_lib.save_results(
        directory,
        results,
        split=f'{split_name}, {split}',
        user_ids=catalog.histories.user_ids[features['user']].tolist(),
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
          **_title_parameters(title_task, max_title_tokens),
      },
  )


def _title_parameters(task: str, max_tokens: int | None) -> dict[str, Any]:
  """Says how titles are asked for, if they are."""
  if not task:
    return {}
  return {'title_task': describe(task), 'max_title_tokens': max_tokens}


def _baselines(
    folders: RunDirectory, counts: np.ndarray
) -> dict[str, Callable[[], Recommender]]:
  """Returns what loads each baseline."""
  return {
      POPULARITY: lambda: PopularityRecommender(counts),
      SASREC: lambda: build_sasrec.load(folders.sasrec),
      LEM: lambda: build_lem.load(folders.lem),
      BPR_MF: lambda: build_bpr_mf.load(folders.bpr_mf),
  }


def _generators(
    folders: RunDirectory,
    beam_size: int,
    decoding: Strategy,
    max_title_tokens: int | None,
    mesh: jax.sharding.Mesh | None,
) -> tuple[dict[str, Callable[[], Recommender]], str]:
  """Loads the generator; returns what makes its searches, and its kind."""
  model, params, _ = train.load(str(folders.path))
  search = {'beam_size': beam_size, 'mesh': mesh}
  return {
      GENERATIVE: lambda: GenerativeRecommender(
          model, params, load_index(folders), strategy=decoding, **search
      ),
      TITLES: lambda: TitleRecommender(
          model, params, load_title_trie(folders, max_title_tokens), **search
      ),
  }, saved.kind(model)


def _of_groups(
    result: EvaluationResult, counts: np.ndarray, split: splits.Split
) -> dict[str, float | None]:
  """Returns figures by the popularity of targets and for cold-start items."""
  return item_groups.group_metrics(
      result.item_ids,
      result.targets,
      deciles=item_groups.popularity_deciles(counts),
      cold_start_items=split.cold_start_items,
      ks=result.ks,
  )


def _inputs(
    folders: RunDirectory, recommenders: Sequence[str]
) -> dict[str, pathlib.Path]:
  """Names what is read, and checks that all of it belongs together."""
  inputs = {'catalog': folders.catalog, 'tasks': folders.tasks}
  for name in recommenders:
    if name not in _RECOMMENDERS:
      raise InputError(
          f'There is no recommender {name!r}.',
          where='recommenders',
          expected=f'some of {", ".join(_RECOMMENDERS)}',
          fix='Correct the name.',
      )
    inputs |= evaluated_models.inputs(folders, name)
  # Prompts and targets are item numbers and SIDs of just these.
  manifest.check_input(folders.tasks, 'catalog', folders.catalog)
  if _generates(recommenders):
    table = folders.semantic_ids / semantic_ids.TABLE_FILE
    manifest.check_input(folders.tasks, 'semantic_ids', table)
  return inputs


def _generates(recommenders: Sequence[str]) -> bool:
  """Whether the generator is among them."""
  return not set(evaluated_models.GENERATORS).isdisjoint(recommenders)


def _title_features(
    task: str,
    split: str,
    lengths: Mapping[str, int],
    model_kind: str,
    features: Mapping[str, np.ndarray],
    targets: np.ndarray,
) -> dict[str, np.ndarray]:
  """Reads the prompts that titles follow, of the same targets."""
  if not task:
    raise InputError(
        'No task has prompts that a title follows.',
        where='TITLE_TASK',
        expected=f'the task whose prompts {TITLES} continues',
        fix=f'Name it, or leave {TITLES} out of RECOMMENDERS.',
    )
  found = evaluation_arrays(task, split, lengths, model_kind)
  same = np.array_equal(found.pop('target_item_ids'), targets)
  if not same or not np.array_equal(found['user'], features['user']):
    raise InputError(
        'The tasks do not have the same targets in the same order.',
        where=f'TITLE_TASK, {task}',
        expected=f'the {len(targets)} targets of EVALUATION_TASK',
        fix='Name tasks over the same user histories.',
    )
  return found


def _training_cost(
    folders: RunDirectory, name: str, num_items: int
) -> TrainingCost:
  """Returns what a recommender amounts to; popularity has no training."""
  if name in (GENERATIVE, TITLES):
    return training_cost.of_generator(folders.training)
  if name == SASREC:
    return training_cost.of_sasrec(folders.sasrec, num_items)
  if name == LEM:
    return training_cost.of_lem(folders.lem, num_items)
  if name == BPR_MF:
    return training_cost.of_bpr_mf(folders.bpr_mf)
  return TrainingCost()
