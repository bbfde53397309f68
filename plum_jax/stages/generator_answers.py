# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A run's generator as what ranks candidates and predicts ratings."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.ranking_candidates import RankingCandidates
from plum_jax.data import item_mentions
from plum_jax.data import liked_items
from plum_jax.data import rating_values
from plum_jax.data.candidate_prompts import candidate_prompts
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.evaluation.generative_answers import GenerativeRatingPredictor
from plum_jax.evaluation.generative_answers import GenerativeScorer
from plum_jax.evaluation.generative_answers import PointwiseScorer
from plum_jax.evaluation.protocols import CandidateScorer
from plum_jax.models import saved
from plum_jax.models.answers import Answers
from plum_jax.stages import train
from plum_jax.stages.run_directory import RunDirectory

YES_NO = 'yes_no'
_Features = dict[str, np.ndarray]


class Answering:
  """The generator, and the prompts of a split's targets."""

  def __init__(
      self,
      folders: RunDirectory,
      split: str,
      task_feature_lengths: Mapping[str, int],
      mesh: jax.sharding.Mesh | None,
  ):
    """Reads the generator.

    Args:
      folders: of the run.
      split: `test` or `validation`.
      task_feature_lengths: tokens by task feature.
      mesh: the devices; one if None.

    Raises:
      InputError: it is missing or cannot be read.
    """
    self._model, self._params, _ = train.load(str(folders.path))
    self._folders, self._mesh = folders, mesh
    # What every way of asking for prompts takes after the task.
    self._asked = (split, task_feature_lengths, saved.kind(self._model))

  def scorer(
      self,
      task: str,
      answer: str,
      max_title_tokens: int,
      candidates: RankingCandidates,
  ) -> tuple[CandidateScorer, _Features]:
    """Makes a scorer of candidates.

    Args:
      task: the registered task whose prompts are asked.
      answer: `sid`, `title`, `both` or `yes_no`.
      max_title_tokens: longer titles are cut.
      candidates: of the split's targets.

    Returns:
      The scorer, and its features.

    Raises:
      InputError: the task is of other targets, or the vocabulary lacks a word;
        an item has no title.
    """
    rows = np.arange(len(candidates))
    target_item_ids = candidates.item_ids[rows, candidates.place]
    if answer == YES_NO:
      features = candidate_prompts(task, *self._asked, candidates.item_ids)
      mentions = ItemMentions(self._folders.path)
      no, yes = (
          (*mentions.encoder.words(word).tolist(), mentions.end)
          for word in liked_items.WORDS
      )
      return (
          PointwiseScorer(self._model, self._params, yes, no, mesh=self._mesh),
          features,
      )
    features = evaluation_arrays(task, *self._asked)
    if not np.array_equal(features.pop('target_item_ids'), target_item_ids):
      raise InputError(
          f'The task does not have the {len(rows)} targets of the split in '
          'their order.',
          where=f'RANKING_TASK, {task}',
          expected='a prompt for each target of the user histories',
          fix='Name a task over the user histories of this run.',
      )
    tokens, mask = self._item_tokens(answer, max_title_tokens)
    scorer = GenerativeScorer(
        self._model, self._params, tokens, mask, mesh=self._mesh
    )
    return scorer, features

  def predictor(self, task: str) -> tuple[GenerativeRatingPredictor, _Features]:
    """Makes a predictor of ratings.

    Args:
      task: the registered task whose prompts are asked.

    Returns:
      The predictor, and its features: also `rated_item_ids` int32 [n] and
      `target_ratings` float32 [n], of the targets that have a rating.

    Raises:
      InputError: the task does not say what the ratings are; the catalog has
        none, or the vocabulary cannot write them.
    """
    features = evaluation_arrays(task, *self._asked)
    if 'target_ratings' not in features:
      raise InputError(
          'The task does not say what the ratings are.',
          where=f'RATING_TASK, {task}',
          expected='examples with target_rating',
          fix='Name the task of rating prediction.',
      )
    features['rated_item_ids'] = features.pop('target_item_ids')
    rated = ~np.isnan(features['target_ratings'])
    values = rating_values.load(self._folders.path)
    predictor = GenerativeRatingPredictor(
        self._model,
        self._params,
        Answers(values.token_ids),
        values.values,
        mesh=self._mesh,
    )
    return predictor, {name: x[rated] for name, x in features.items()}

  def _item_tokens(
      self, answer: str, max_title_tokens: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns tokens and mask of each item as an answer, [num_items, length].

    Semantic IDs have one length, so no end tells them apart; titles end.
    """
    mentions = ItemMentions(self._folders.path)
    table = mentions.answers(answer, max_title_tokens)
    lengths = table.lengths
    if not lengths.all():
      raise InputError(
          f'Item {int(np.flatnonzero(lengths == 0)[0])} has no title.',
          where='RANKING_ANSWER',
          expected='a title for every item',
          fix=f'Set it to {item_mentions.SID!r}, or give all items titles.',
      )
    ends = answer != item_mentions.SID
    columns = np.arange(lengths.max() + ends)[None, :]
    mask = columns < lengths[:, None]
    tokens = np.zeros(mask.shape, np.int32)
    tokens[mask] = table.values
    if ends:
      is_end = columns == lengths[:, None]
      tokens[is_end] = mentions.end
      mask |= is_end
    return tokens, mask
