# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What all tasks in natural language over a run's histories have in common."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import os

from plum_jax.artifacts.errors import InputError
from plum_jax.data import item_mentions
from plum_jax.data.label_sampling import LabelSampling


@dataclasses.dataclass(frozen=True)
class WordedSetting:
  """Which run the tasks are of, and what their samples are like.

  Samples have no user ids and name items by their titles, as in "Aligning LLMs
  with Recommendation Knowledge" (arXiv 2404.00245, section on data samples).
  The paper states neither windows nor samples per user: the defaults are our
  choice.

  Attributes:
    dataset: names the catalog in the tasks' names.
    run_directory: with the artifacts `catalog`, `semantic_ids`, `vocabulary`
      and `tasks`.
    noun: what an item is called.
    show: how items of a history are mentioned: `sid`, `title` or `both`.
    item_fields: texts that stand for the title, one after another: `title`,
      `categories` or a further text field.
    max_field_tokens: longer texts of an item are cut.
    max_items: the most items of a history; None for what fits the input.
    label_rate: share of a training window's items that samples are about,
      drawn anew every epoch.
    max_labels_per_user: the most samples of a user and epoch; None for all.
  """

  dataset: str
  run_directory: str | os.PathLike[str]
  noun: str = 'item'
  show: str = item_mentions.BOTH
  item_fields: Sequence[str] = ('title',)
  max_field_tokens: int = 12
  max_items: int | None = None
  label_rate: float = 1.0
  max_labels_per_user: int | None = None

  def __post_init__(self):
    """Checks the numbers.

    Raises:
      InputError: one makes no sense, or there is no such way to show an item.
    """
    item_mentions.check_kind('show', self.show)
    if not 0 < self.label_rate <= 1:
      raise not_a_number('label_rate', self.label_rate, 'above 0, at most 1')
    for name in ('max_field_tokens', 'max_items', 'max_labels_per_user'):
      value = getattr(self, name)
      if value is not None and value < 1:
        raise not_a_number(name, value, '1 or more')

  @property
  def labels(self) -> LabelSampling:
    """How samples are chosen; rewards do not matter to these tasks."""
    return LabelSampling(
        rate=self.label_rate, max_per_user=self.max_labels_per_user
    )

  def phrasings(self, texts: Sequence[str], **words: str) -> list[str]:
    """Fills nouns and other words in, and leaves places.

    Args:
      texts: with `{noun}` and the names of `words`; places in double braces.
      **words: by name.

    >>> WordedSetting('d', 'runs/d', noun='film').phrasings(
    ...     ['{{history}} Next {noun} by {form}:'], form='title')
    ['{history} Next film by title:']
    """
    return [text.format(noun=self.noun, **words) for text in texts]


def not_a_number(name: str, value: object, expected: str) -> InputError:
  """Says which numbers an option of a task may be."""
  return InputError(
      f'{name} is {value!r}.',
      where=f'the option {name} of the task',
      expected=f'a number {expected}',
      fix='Correct the value.',
  )
