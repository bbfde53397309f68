# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ranking and rating of one model of a run at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import build_biased_mf
from plum_jax.baselines import build_bpr_mf
from plum_jax.baselines import build_lem
from plum_jax.baselines import build_sasrec
from plum_jax.baselines import mean_ratings
from plum_jax.baselines.popularity import count_interactions
from plum_jax.baselines.popularity import PopularityRecommender
from plum_jax.catalog import ranking_candidates
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.ranking_candidates import draw_ranking_candidates
from plum_jax.catalog.ranking_candidates import RankingCandidates
from plum_jax.catalog.splits import Split
from plum_jax.catalog.splits import Targets
from plum_jax.evaluation import examples
from plum_jax.evaluation import ranking
from plum_jax.evaluation import rating
from plum_jax.evaluation.protocols import CandidateScorer
from plum_jax.evaluation.protocols import RatingPredictor
from plum_jax.evaluation.task_results import Figures
from plum_jax.evaluation.task_results import Undefined
from plum_jax.stages import generator_answers
from plum_jax.stages.evaluated_models import BIASED_MF
from plum_jax.stages.evaluated_models import BPR_MF
from plum_jax.stages.evaluated_models import GENERATIVE
from plum_jax.stages.evaluated_models import LEM
from plum_jax.stages.evaluated_models import POPULARITY
from plum_jax.stages.evaluated_models import SASREC
from plum_jax.stages.evaluated_models import TITLES
from plum_jax.stages.run_directory import RunDirectory

_MEANS = (mean_ratings.USER, mean_ratings.ITEM, mean_ratings.GLOBAL)
_RANKERS = (GENERATIVE, SASREC, LEM, BPR_MF, POPULARITY)
_RATERS = (GENERATIVE, BIASED_MF, *_MEANS)
RECOMMENDERS = (*_RANKERS, TITLES)
MODELS = (*RECOMMENDERS, BIASED_MF, *_MEANS)


@dataclasses.dataclass(frozen=True)
class RankingQuestion:
  """What is ranked, and how the generator is asked.

  Attributes:
    task: the registered task whose prompts the generator answers; none if
      empty.
    answer: what follows the prompt: `sid`, `title` or `both`, whose probability
      is a candidate's score; or `yes_no`, for a pointwise task, whose prompts
      ask about one candidate each.
    max_title_tokens: longer titles are cut, as the task cuts them.
    num_negatives: of each target; see `catalog.ranking_candidates`.
    sampling: how they are drawn; see there.
    seed: of the draws: the same for all models.
    ks: cut-offs.
  """

  task: str = ''
  answer: str = 'sid'
  max_title_tokens: int = 12
  num_negatives: int = 99
  sampling: str = ranking_candidates.UNIFORM
  seed: int = 0
  ks: Sequence[int] = ranking.KS

  def protocol(self) -> dict[str, Any]:
    """Returns JSON values that say what was asked."""
    return {
        'ranking_task': self.task,
        'ranking_answer': self.answer,
        'max_title_tokens': self.max_title_tokens,
        'num_negatives': self.num_negatives,
        'negatives': self.sampling,
        'negatives_seed': self.seed,
        'ks': list(self.ks),
    }


@dataclasses.dataclass(frozen=True)
class RatingQuestion:
  """Which ratings are predicted, and how the generator is asked.

  Attributes:
    task: the registered task whose prompts the generator answers with a rating;
      none if empty.
    liked: ratings from this one on are likes, for the AUC.
  """

  task: str = ''
  liked: float = rating.LIKED

  def protocol(self) -> dict[str, Any]:
    """Returns JSON values that say what was asked."""
    return {'rating_task': self.task, 'liked': self.liked}


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluated:
  """What all models are asked about.

  Attributes:
    folders: of the run.
    histories: of the catalog.
    split: of these histories.
    targets: those of the split that are asked about.
    split_name: their name, `test` or `validation`.
    ranking: what is ranked.
    rating: which ratings are predicted.
    task_feature_lengths: tokens by task feature.
    batch_size: users at a time.
    mesh: the devices that the generator runs on; one if None.
  """

  folders: RunDirectory
  histories: Histories
  split: Split
  targets: Targets
  split_name: str
  ranking: RankingQuestion
  rating: RatingQuestion
  task_feature_lengths: Mapping[str, int]
  batch_size: int
  mesh: jax.sharding.Mesh | None

  @functools.cached_property
  def rated_targets(self) -> Targets:
    """The targets that have a rating."""
    rated = ~np.isnan(self.histories.ratings[self.targets.position])
    return Targets(self.targets.user[rated], self.targets.position[rated])

  @functools.cached_property
  def generator(self) -> generator_answers.Answering:
    """The trained generator."""
    return generator_answers.Answering(
        self.folders, self.split_name, self.task_feature_lengths, self.mesh
    )

  @functools.cached_property
  def candidates(self) -> RankingCandidates:
    """What is ranked: the same for all models."""
    return draw_ranking_candidates(
        self.histories,
        self.split,
        self.targets,
        num_negatives=self.ranking.num_negatives,
        sampling=self.ranking.sampling,
        seed=self.ranking.seed,
    )

  def features(self, targets: Targets) -> dict[str, np.ndarray]:
    """Returns what models that read no prompts are given."""
    made = examples.make_examples(self.histories, targets)
    return made.features | {'user': made.user.astype(np.int32)}


def evaluate_ranking(evaluated: Evaluated, name: str) -> Figures:
  """Ranks the candidates of all targets by a model.

  Args:
    evaluated: what all models are asked about.
    name: the model's.

  Returns:
    The metrics, or why there are none.

  Raises:
    InputError: see `draw_ranking_candidates` and `Answering.scorer`.
  """
  if name not in _RANKERS:
    return Undefined('it scores no candidates')
  question, candidates = evaluated.ranking, evaluated.candidates
  if name == GENERATIVE and not question.task:
    return Undefined('RANKING_TASK names no task')
  if name == GENERATIVE:
    scorer, features = evaluated.generator.scorer(
        question.task,
        question.answer,
        question.max_title_tokens,
        candidates,
    )
  else:
    scorer = _scorer(evaluated, name)
    features = evaluated.features(evaluated.targets)
  scores = ranking.score_all(
      scorer,
      features,
      candidates,
      batch_size=evaluated.batch_size,
      name=f'ranking by {name}',
  )
  return ranking.ranking_metrics(scores, candidates.place, ks=question.ks)


def evaluate_rating(evaluated: Evaluated, name: str) -> Figures:
  """Predicts all ratings by a model.

  Args:
    evaluated: what all models are asked about.
    name: the model's.

  Returns:
    The metrics, or why there are none.

  Raises:
    InputError: see `Answering.predictor`.
  """
  if name not in _RATERS:
    return Undefined('it predicts no ratings')
  targets, question = evaluated.rated_targets, evaluated.rating
  ratings = evaluated.histories.ratings
  if not len(targets):
    return Undefined('no target has a rating')
  lowest, highest = float(np.nanmin(ratings)), float(np.nanmax(ratings))
  if lowest == highest:
    return Undefined(f'all ratings are {lowest:g}')
  if name == GENERATIVE and not question.task:
    return Undefined('RATING_TASK names no task')
  if name == GENERATIVE:
    predictor, features = evaluated.generator.predictor(question.task)
    _check_rated(evaluated, question.task, features)
  else:
    predictor = _predictor(evaluated, name)
    item_ids = evaluated.histories.item_ids[targets.position]
    features = evaluated.features(targets) | {'rated_item_ids': item_ids}
  predictions = rating.predict_all(
      predictor,
      features,
      batch_size=evaluated.batch_size,
      name=f'rating by {name}',
  )
  return rating.rating_metrics(
      ratings[targets.position],
      predictions,
      lowest=lowest,
      highest=highest,
      liked=question.liked,
  )


def _scorer(evaluated: Evaluated, name: str) -> CandidateScorer:
  folders = evaluated.folders
  if name == POPULARITY:
    counts = count_interactions(evaluated.histories, evaluated.split)
    return PopularityRecommender(counts)
  if name == SASREC:
    return build_sasrec.load(folders.sasrec)
  if name == LEM:
    return build_lem.load(folders.lem)
  return build_bpr_mf.load(folders.bpr_mf)


def _predictor(evaluated: Evaluated, name: str) -> RatingPredictor:
  if name == BIASED_MF:
    return build_biased_mf.load(evaluated.folders.biased_mf)
  return mean_ratings.MeanRatingPredictor(
      name, evaluated.histories, evaluated.split
  )


def _check_rated(
    evaluated: Evaluated, task: str, features: Mapping[str, np.ndarray]
) -> None:
  """Refuses prompts about other ratings than those that others predict."""
  targets = evaluated.rated_targets
  position = targets.position
  wanted = {
      'user': targets.user,
      'rated_item_ids': evaluated.histories.item_ids[position],
      'target_ratings': evaluated.histories.ratings[position],
  }
  for name, values in wanted.items():
    if not np.array_equal(features[name], values):
      raise InputError(
          f'The task asks about {len(features[name])} ratings, which are not '
          f'the {len(values)} of the split (they differ in {name}).',
          where=f'RATING_TASK, {task}',
          expected='a prompt for each target with a rating, in their order',
          fix='Name a task over the user histories of this run.',
      )
