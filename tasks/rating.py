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
from plum_jax.data import worded_examples
from plum_jax.data.rated_items import RatedItem
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
    variants: Sequence[str] = (),
    name: str = 'rating',
) -> str:
  """Registers `plum_<dataset>_<name>`: history with ratings, item, rating.

  Examples have `target_rating` float32 too. The answers that there are, and
  their tokens, are those of `data.rating_values.load`.

  Args:
    setting: of all tasks in natural language.
    variants: phrasings in the place of those in `PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; the
      catalog has no ratings; an option or a phrasing cannot be used.
  """
  items = item_mentions.ItemMentions(setting.run_directory)
  task = RatedItem(
      setting,
      items,
      variants or setting.phrasings(PHRASINGS),
      rating_values.load(setting.run_directory),
  )
  return worded_examples.add(name, setting, items, task)
