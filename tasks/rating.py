# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rating prediction in natural language: the rating of the next item as text.

A task of "Aligning LLMs with Recommendation Knowledge" (arXiv 2404.00245).
Phrasings are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

from plum_jax.data import item_mentions
from plum_jax.data import rating_values
from plum_jax.data import span_corruption
from plum_jax.data import worded_examples
from plum_jax.data.rated_items import RatedItems
from plum_jax.data.worded_setting import not_a_number
from plum_jax.data.worded_setting import WordedSetting

# {noun} is a word for an item.
PHRASINGS = (
    'History: {{history}} | How does this user rate the {noun} {{item}} :',
    'A user rated: {{history}} | Rating of {{item}} :',
    'Rating of the {noun} {{item}} | by a user with the history {{history}} :',
)


def register(
    setting: WordedSetting,
    *,
    items_per_sample: int = 1,
    variants: Sequence[str] = (),
    name: str = 'rating',
) -> str:
  """Registers `plum_<dataset>_<name>`: history with ratings, item, rating.

  Examples have `target_rating` float32 too. The answers that there are, and
  their tokens, are those of `data.rating_values.load`.

  Args:
    setting: of all tasks in natural language.
    items_per_sample: the most items of a training window that a sample asks
      about, if the targets have room. From the second on, sentinels say which
      item a rating is of; the vocabulary must have one for each but the
      first. Validation and test ask about one.
    variants: phrasings in the place of those in `PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; the
      catalog has no ratings; an option or a phrasing cannot be used.
  """
  if items_per_sample < 1:
    raise not_a_number('items_per_sample', items_per_sample, '1 or more')
  items = item_mentions.ItemMentions(setting.run_directory)
  sentinels = span_corruption.sentinels(
      items.vocabulary, 'rating several items', items_per_sample - 1
  )[: items_per_sample - 1]
  task = RatedItems(
      setting,
      items,
      variants or setting.phrasings(PHRASINGS),
      rating_values.load(setting.run_directory),
      items_per_sample,
      sentinels,
  )
  return worded_examples.add(name, setting, items, task)
