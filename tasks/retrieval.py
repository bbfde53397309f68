# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Generative retrieval: a history in, the next item's Semantic ID out.

`register` asks with SIDs alone, as TIGER does, or with PLUM's texts between
them; `in_words` asks in natural language, as "Aligning LLMs with Recommendation
Knowledge" (arXiv 2404.00245) does.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import os
import pathlib
from typing import Any

from plum_jax.data import item_mentions
from plum_jax.data import label_sampling
from plum_jax.data import preprocessors
from plum_jax.data import prompt_texts
from plum_jax.data import registration
from plum_jax.data import worded_examples
from plum_jax.data.item_mentions import FORMS
from plum_jax.data.label_sampling import LabelSampling
from plum_jax.data.next_items import NextItems
from plum_jax.data.rewards import RewardSummary
from plum_jax.data.worded_setting import not_a_number
from plum_jax.data.worded_setting import WordedSetting

# {noun} is a word for an item, {form} says what the answer is.
PHRASINGS = (
    'History: {{history}} | Next {noun} by its {form}:',
    'A user had: {{history}} | The {form} of the {noun} that comes next:',
    'Which {noun} follows {{history}} | by its {form}:',
)


def register(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    positions: str = preprocessors.ALL_POSITIONS,
    max_items: int | None = None,
    add_eos: bool = False,
    rewards: str = label_sampling.SAMPLE,
    label_rate: float = 1.0,
    max_labels_per_user: int | None = None,
    item_fields: Sequence[str] = (),
    user_fields: Sequence[str] = (),
    context_fields: Sequence[str] = (),
    max_field_tokens: int = 32,
) -> str:
  """Registers `plum_<dataset>_retrieval`, in the place of an older one.

  `inputs` are the SID tokens of the newest items that fit, with the texts that
  the fields name (see `data.prompt_texts`), `targets` the SID tokens of the
  next item. A SID has a fixed number of tokens, so no end-of-sequence token is
  needed to tell where it ends: our choice. A decoder-only model trains on it
  with the converter `prefix`, whose loss is on `targets` alone.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifacts `tasks` and `vocabulary`; for fields also
      `catalog`.
    positions: `all`, every item of a training window but the first is a target
      once an epoch; `one`, one of them drawn for every user and epoch.
    max_items: the most items of a history; None for what fits the input.
    add_eos: whether `targets` end with the end-of-sequence token.
    rewards: what becomes of the rewards that the stage `tasks` was given, if
      any: `sample`, each target is kept with probability r / r_max, drawn anew
      every epoch, as PLUM does; `weight`, its loss is weighed by r / r_max, of
      the same expectation; `ignore`.
    label_rate: share of the targets that are kept, drawn anew every epoch.
    max_labels_per_user: the most targets of a user and epoch; None for all.
    item_fields: texts of items that follow each SID of the history: `title`,
      `categories` or a further text field.
    user_fields: columns of the catalog's users.
    context_fields: texts that follow the SID of the newest item, which is
      repeated at the end.
    max_field_tokens: the most tokens of a field of an item.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option has no such value; there is no such field.
  """
  if positions not in (preprocessors.ALL_POSITIONS, preprocessors.ONE_POSITION):
    raise registration.wrong_option('positions', positions, ('all', 'one'))
  folder = pathlib.Path(run_directory) / registration.TASKS_FOLDER
  labels = _labels(
      rewards, RewardSummary.load(folder), label_rate, max_labels_per_user
  )
  texts = prompt_texts.load(
      run_directory,
      item_fields=item_fields,
      user_fields=user_fields,
      context_fields=context_fields,
      max_field_tokens=max_field_tokens,
  )
  # Options that are not used stay out of manifests.
  options: dict[str, Any] = {'positions': positions, 'max_items': max_items}
  if labels != LabelSampling():
    options['labels'] = labels
  if texts is not None:
    options['texts'] = texts
  return registration.add_history_task(
      'retrieval',
      dataset,
      run_directory,
      functools.partial(preprocessors.retrieval_examples, **options),
      {'inputs': False, 'targets': add_eos},
      loss_weight=labels.rewards == label_sampling.WEIGHT,
  )


def in_words(
    setting: WordedSetting,
    *,
    answer: str = item_mentions.SID,
    items_per_sample: int = 1,
    variants: Sequence[str] = (),
    name: str = 'retrieval_in_words',
) -> str:
  """Registers `plum_<dataset>_<name>`: which item comes next, in words.

  Phrasings are our choice; one is drawn for every sample and epoch, and
  validation and test ask with the first.

  Args:
    setting: of all tasks in natural language.
    answer: what is asked for: `sid`, `title` or `both`.
    items_per_sample: the most items of a training window that a sample asks
      for, one after another, if the targets have room: an encoder-decoder
      learns of as many from one prompt. Validation and test ask for one.
    variants: phrasings with `{history}` in the place of those in `PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option or a phrasing cannot be used.
  """
  if items_per_sample < 1:
    raise not_a_number('items_per_sample', items_per_sample, '1 or more')
  items = item_mentions.ItemMentions(setting.run_directory)
  item_mentions.check_kind('answer', answer)
  task = NextItems(
      setting,
      items,
      variants or setting.phrasings(PHRASINGS, form=FORMS[answer]),
      answer,
      items_per_sample,
  )
  return worded_examples.add(name, setting, items, task)


def _labels(
    rewards: str,
    summary: RewardSummary,
    label_rate: float,
    max_labels_per_user: int | None,
) -> LabelSampling:
  """Checks and puts together how targets are chosen."""
  if rewards not in label_sampling.REWARD_USES:
    raise registration.wrong_option(
        'rewards', rewards, label_sampling.REWARD_USES
    )
  if not 0 < label_rate <= 1:
    raise not_a_number('label_rate', label_rate, 'above 0 and at most 1')
  if max_labels_per_user is not None and max_labels_per_user < 1:
    raise not_a_number('max_labels_per_user', max_labels_per_user, '1 or more')
  if not summary.given:
    rewards, largest = label_sampling.IGNORE, 1.0
  elif rewards == label_sampling.IGNORE:
    largest = 1.0
  else:
    largest = summary.largest
  return LabelSampling(rewards, largest, label_rate, max_labels_per_user)
