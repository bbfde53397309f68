# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ranking in natural language: one item among candidates, or item by item.

A task of "Aligning LLMs with Recommendation Knowledge" (arXiv 2404.00245).
Phrasings, and that training names candidates in a share of the samples, are our
choice.
"""

from __future__ import annotations

from collections.abc import Sequence

from plum_jax.catalog import ranking_candidates
from plum_jax.data import item_mentions
from plum_jax.data import negative_items
from plum_jax.data import training_windows
from plum_jax.data import worded_examples
from plum_jax.data.chosen_candidates import check_phrasings
from plum_jax.data.chosen_candidates import ChosenCandidate
from plum_jax.data.evaluated_candidates import EvaluatedCandidates
from plum_jax.data.item_mentions import FORMS
from plum_jax.data.liked_items import LikedItem
from plum_jax.data.negative_items import NegativeItems
from plum_jax.data.worded_setting import WordedSetting

# {noun} is a word for an item, {form} says what the answer is.
PHRASINGS = (
    'History: {{history}} | Choose a {noun} for this user, by its {form}:',
    '{{history}} | The {noun} that this user chooses, by its {form}:',
    'A user had: {{history}} | Choice of a {noun}, by its {form}:',
)
LIST_PHRASINGS = (
    'History: {{history}} | Candidates: {{candidates}} | Choose a {noun} for '
    'this user, by its {form}:',
    'Of {{candidates}} | which {noun} suits a user with the history {{history}}'
    ' | by its {form}:',
    '{{history}} | Choose from: {{candidates}} | by its {form}:',
)
POINTWISE_PHRASINGS = (
    'History: {{history}} | Would this user like the {noun} {{item}} | yes or '
    'no:',
    'A user had: {{history}} | Will {{item}} be chosen, yes or no:',
    '{{item}} | does it suit a user with the history {{history}} | yes or no:',
)


def register(
    setting: WordedSetting,
    *,
    answer: str = item_mentions.SID,
    candidates_show: str = item_mentions.SID,
    num_candidates: int = 20,
    list_rate: float = 0.5,
    negatives: str = negative_items.UNIFORM,
    evaluation_lists: bool = False,
    evaluation_negatives: int = 99,
    evaluation_sampling: str = ranking_candidates.UNIFORM,
    evaluation_seed: int = 0,
    variants: Sequence[str] = (),
    list_variants: Sequence[str] = (),
    name: str = 'ranking',
) -> str:
  """Registers `plum_<dataset>_<name>`: which candidate comes next.

  Validation and test ask without candidates, unless `evaluation_lists`: what
  is measured is the score of each candidate's Semantic ID after one prompt.

  Args:
    setting: of all tasks in natural language.
    answer: what is asked for: `sid`, `title` or `both`.
    candidates_show: how candidates are mentioned: `sid`, `title` or `both`.
    num_candidates: of a training sample, the true one included.
    list_rate: share of the training samples that name candidates.
    negatives: how the others are drawn, from the items of training windows:
      `uniform` or `popularity`.
    evaluation_lists: whether prompts of validation and test name candidates.
    evaluation_negatives: how many, if so, beside the true one.
    evaluation_sampling: see `catalog.ranking_candidates`.
    evaluation_seed: see there: equal options draw equal candidates.
    variants: phrasings without candidates in the place of those in `PHRASINGS`.
    list_variants: phrasings with `{candidates}` in the place of
      `LIST_PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option or a phrasing cannot be used.
  """
  items = item_mentions.ItemMentions(setting.run_directory)
  item_mentions.check_kind('answer', answer)
  form = FORMS[answer]
  groups = (
      variants or setting.phrasings(PHRASINGS, form=form),
      list_variants or setting.phrasings(LIST_PHRASINGS, form=form),
  )
  check_phrasings(*groups)
  evaluated = None
  if evaluation_lists:
    evaluated = EvaluatedCandidates.load(
        setting.run_directory,
        num_negatives=evaluation_negatives,
        sampling=evaluation_sampling,
        seed=evaluation_seed,
    )
  task = ChosenCandidate(
      setting,
      items,
      groups,
      answer=answer,
      candidates_show=candidates_show,
      num_candidates=num_candidates,
      list_rate=list_rate,
      negatives=NegativeItems(
          training_windows.item_counts(setting.run_directory), negatives
      ),
      evaluated=evaluated,
  )
  return worded_examples.add(name, setting, items, task)


def pointwise(
    setting: WordedSetting,
    *,
    negatives_per_item: int = 1,
    negatives: str = negative_items.UNIFORM,
    variants: Sequence[str] = (),
    name: str = 'pointwise_ranking',
) -> str:
  """Registers `plum_<dataset>_<name>`: would the user like an item, yes or no.

  Args:
    setting: of all tasks in natural language.
    negatives_per_item: how many items with the answer `no` come to one with
      `yes`.
    negatives: how they are drawn, from the items of training windows:
      `uniform` or `popularity`.
    variants: phrasings in the place of those in `POINTWISE_PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option or a phrasing cannot be used.
  """
  items = item_mentions.ItemMentions(setting.run_directory)
  task = LikedItem(
      setting,
      items,
      variants or setting.phrasings(POINTWISE_PHRASINGS),
      negatives_per_item=negatives_per_item,
      negatives=NegativeItems(
          training_windows.item_counts(setting.run_directory), negatives
      ),
  )
  return worded_examples.add(name, setting, items, task)
