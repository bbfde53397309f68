# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Samples in natural language of user histories: phrasings with places.

    History: {history} | Next movie by its ID:      -> <sid_1_3><sid_2_7></s>

A task says what a sample is about and fills its places; here phrasings are
drawn and put together. The history gets the room that the longest phrasing and
the sample's other places leave in the input: the newest whole items that fit,
so that words and candidates are never cut. Inputs and targets end with the
end-of-sequence token, as T5's do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import graph_functions
from plum_jax.data import history_slices
from plum_jax.data import record_targets
from plum_jax.data import registration
from plum_jax.data.item_mentions import ItemMentions
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.phrasings import Phrasing
from plum_jax.data.source import TfdsDirectorySource
from plum_jax.data.worded_setting import WordedSetting

Tensors = Mapping[str, tf.Tensor]

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
HISTORY = 'history'


class Lengths(NamedTuple):
  """The most tokens of each feature; None for no limit."""

  inputs: int | None
  targets: int | None


@dataclasses.dataclass(frozen=True)
class Samples:
  """What a task makes of one record.

  Attributes:
    stops: int32 [m], each position in the record that a sample is about.
    places: tokens of each place, int32 [m, (tokens)], by name.
    answers: int32 [m, (tokens)], without the end.
    target_item_ids: int32 [m], the item that a sample is about.
    first: int32 [m], the first item of the history that is shown.
    group: int32 [m], which group of phrasings a sample is put with; None for
      the only one.
    features: further features of the examples, [m, ...].
  """

  stops: tf.Tensor
  places: Mapping[str, Any]
  answers: Any
  target_item_ids: tf.Tensor
  first: tf.Tensor
  group: tf.Tensor | None = None
  features: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class WordedTask:
  """A kind of sample; tasks are subclasses.

  Its phrasings are in groups: which group a sample takes, the task says; which
  phrasing of the group is drawn for every sample and epoch. In validation and
  test it is the first of the group.
  """

  # Tokens of an answer beside a row of its table and the end.
  answer_extra = 0
  # Tokens of an input beside phrasing, places, items of the history and end.
  prompt_extra = 0

  def __init__(
      self,
      setting: WordedSetting,
      items: ItemMentions,
      groups: Sequence[Sequence[str]],
      answers: TextTokens,
      longest_places: Mapping[str, int],
      *,
      min_items: int = 1,
      mentions: TextTokens | None = None,
  ):
    """Encodes phrasings and puts tables where graph functions capture them.

    Args:
      setting: of all tasks.
      items: of the run.
      groups: phrasings, whose places are `history` and those of
        `longest_places`.
      answers: a row for each answer that there is.
      longest_places: the most tokens of each place but the history.
      min_items: items of a history that must fit the input.
      mentions: how items of a history are shown; None for what the setting
        says.

    Raises:
      InputError: a phrasing cannot be used.
    """
    names = (HISTORY, *longest_places)
    self.groups = [items.encoder.phrasings(group, names) for group in groups]
    self.labels = setting.labels
    self.max_items = setting.max_items
    self.end = items.end
    self._mentions = mentions or items.mentions(
        setting.show, setting.item_fields, setting.max_field_tokens
    )
    self._answers = answers
    self._longest_places = dict(longest_places)
    self.longest_item = int(self._mentions.lengths.max(initial=0))
    self._min_items = min_items
    self.mentions = self._mentions.ragged()
    self.answers = answers.ragged()
    self.longest_answer = int(answers.lengths.max(initial=0))
    self._num_words = [
        max(sum(map(_num_tokens, variant.parts)) for variant in group)
        for group in self.groups
    ]

  def describe(self) -> dict[str, Any]:
    """Returns what samples depend on, for the description of a task."""
    return {
        'kind': type(self).__qualname__,
        'variants': [[v.describe() for v in group] for group in self.groups],
        'labels': self.labels.describe(),
        'max_items': self.max_items,
        'mentions': self._mentions.describe(),
        'answers': self._answers.describe(),
        'end': self.end,
    }

  def check_lengths(self, sequence_length: Mapping[str, int] | None) -> None:
    """Refuses lengths that do not hold the longest sample with one item.

    Args:
      sequence_length: tokens by task feature; None is no limit.

    Raises:
      InputError: there is not enough room.
    """
    lengths = sequence_length or {}
    needed = {
        'inputs': max(map(self._longest_prompt, range(len(self.groups))))
        + self._min_items * self.longest_item,
        'targets': self.longest_answer + self.answer_extra + 1,
    }
    for feature, tokens in needed.items():
      if lengths.get(feature, tokens) < tokens:
        raise InputError(
            f'{lengths[feature]} tokens of {feature} have no room for the '
            f'longest sample of {type(self).__name__}.',
            where=f'TASK_FEATURE_LENGTHS[{feature!r}]',
            expected=f'at least {tokens} tokens: words, places, '
            f'{self._min_items} of the longest items, and the end'
            if feature == 'inputs'
            else f'at least {tokens} tokens: the longest answer and the end',
            fix='Raise it, shorten phrasings, name fewer candidates, show '
            'items by sid alone, or lower max_field_tokens.',
        )

  def samples(
      self, record: Tensors, seed: tf.Tensor, lengths: Lengths
  ) -> Samples:
    """Returns the samples of a record.

    Args:
      record: see `user_records.features`.
      seed: int32 [2].
      lengths: what examples have room for.
    """
    raise NotImplementedError

  def items(self, record: Tensors) -> Any:
    """Returns the items of a record with its target, [n, (tokens)]."""
    item_ids = record_targets.item_ids_with_target(record)
    return tf.gather(self.mentions, item_ids)

  def positions(self, record: Tensors, seed: tf.Tensor) -> tf.Tensor:
    """Draws the positions that samples are about, int32 [m].

    What has no answer, such as an item without a title, is none in training.
    """
    stops = record_targets.positions(record, self.labels, seed)
    return tf.boolean_mask(
        stops,
        record_targets.has_target(record) | self.has_answer(record, stops),
    )

  def has_answer(self, record: Tensors, stops: tf.Tensor) -> tf.Tensor:
    """Whether there is something to answer for items of a record, bool [m]."""
    item_ids = tf.gather(record_targets.item_ids_with_target(record), stops)
    return tf.gather(self.answers.row_lengths(), item_ids) > 0

  def room(self, count: int, lengths: Lengths) -> int:
    """Returns how many answers of up to so many a sample has room for."""
    if lengths.targets is None or not self.longest_answer:
      return count
    return min(count, (lengths.targets - 1) // self.longest_answer)

  def first(
      self,
      items: Any,
      stops: tf.Tensor,
      places: Mapping[str, Any],
      length: int | None,
      group: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """Returns the first item of each history that fits, int32 [m].

    Args:
      items: int32 [n, (tokens)].
      stops: int32 [m], where the histories end.
      places: what else takes room, [m, (tokens)] each.
      length: tokens of an input; None for no limit.
      group: int32 [m], of the phrasings; None for the only one.
    """
    if length is None:
      return history_slices.starts(items, stops, None, self.max_items)
    if group is None:
      group = tf.zeros_like(stops)
    words = tf.gather(tf.constant(self._num_words, tf.int64), group)
    room = length - 1 - self.prompt_extra - words
    for tokens in places.values():
      room -= tokens.row_lengths()
    return history_slices.starts(items, stops, room, self.max_items)

  def _longest_prompt(self, group: int) -> int:
    """Returns the most tokens of a prompt beside its history, end included."""
    places = {name for v in self.groups[group] for name in v.places}
    longest = [self._longest_places.get(name, 0) for name in places]
    return self._num_words[group] + sum(longest) + self.prompt_extra + 1


def add(
    name: str,
    setting: WordedSetting,
    items: ItemMentions,
    task: WordedTask,
    *,
    training_only: bool = False,
) -> str:
  """Registers `plum_<dataset>_<name>`, in the place of an older one.

  Args:
    name: the last part of the task's name.
    setting: of all tasks in natural language.
    items: of the run.
    task: what samples are.
    training_only: whether there is nothing to evaluate: an auxiliary task has
      the split `train` alone.

  Returns:
    The task's name.

  Raises:
    InputError: the name cannot be one.
  """
  source = TfdsDirectorySource(
      items.run_directory / registration.TASKS_FOLDER,
      splits=('train',) if training_only else None,
  )
  return registration.add_task(
      name,
      setting.dataset,
      source,
      [functools.partial(examples, task=task)],
      items.vocabulary,
      # Samples bring their ends along.
      {'inputs': False, 'targets': False},
  )


def examples(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    task: WordedTask,
) -> tf.data.Dataset:
  """Makes samples of records.

  Args:
    dataset: records; see `user_records.features`.
    sequence_length: tokens of `inputs` and `targets`; None is no limit.
    task: what samples are.

  Returns:
    Examples with `inputs` and `targets` int32 [n]; `user` and `target_item_id`
    int32; `num_left_out` int32, how many items of the history, the oldest, are
    not shown; `history_item_ids` int32, the whole history of a target of
    validation or test, empty in training; and what the task adds.

  Raises:
    InputError: a sample may not fit.
  """
  task.check_lengths(sequence_length)
  given = sequence_length or {}
  lengths = Lengths(given.get('inputs'), given.get('targets'))
  make = graph_functions.traced(_examples, task=task, lengths=lengths)
  return graph_functions.map_and_flatten(dataset, make)


def _examples(
    record: Tensors, seed: tf.Tensor, *, task: WordedTask, lengths: Lengths
) -> dict[str, Any]:
  """Returns the examples of a record, stacked."""
  sample_seed, phrasing_seed = tf.unstack(
      tf.random.experimental.stateless_split(seed, 2)
  )
  made = task.samples(record, sample_seed, lengths)
  num_samples = tf.size(made.stops)
  is_evaluated = record_targets.has_target(record)
  group = made.group
  if group is None:
    group = tf.zeros([num_samples], tf.int32)
  counts = tf.constant([len(variants) for variants in task.groups])
  offsets = tf.cumsum(counts, exclusive=True)
  # The first phrasing where targets are evaluated: all models, one question.
  uniform = tf.random.stateless_uniform([num_samples], phrasing_seed)
  uniform = tf.where(is_evaluated, tf.zeros_like(uniform), uniform)
  within = tf.gather(counts, group)
  drawn = tf.cast(uniform * tf.cast(within, tf.float32), tf.int32)
  number = tf.gather(offsets, group) + tf.minimum(drawn, within - 1)
  variants = [variant for of_group in task.groups for variant in of_group]
  end = ragged(tf.fill([num_samples, 1], task.end))
  return {
      'inputs': tf.concat([fill(variants, number, made.places), end], 1),
      'targets': tf.concat([made.answers, end], 1),
      'user': tf.fill([num_samples], record['user']),
      'target_item_id': made.target_item_ids,
      'num_left_out': made.first,
      'history_item_ids': record_targets.evaluated_history(record, num_samples),
      **made.features,
  }


def fill(
    variants: Sequence[Phrasing], number: tf.Tensor, places: Mapping[str, Any]
) -> Any:
  """Puts phrasings together.

  Args:
    variants: the phrasings.
    number: int32 [m], which one each sample is put with.
    places: int32 [m, (tokens)] by name; those of all phrasings.

  Returns:
    int32 [m, (tokens)].
  """
  all_rows, prompts = [], []
  for at, variant in enumerate(variants):
    rows = tf.where(number == at)[:, 0]
    parts = [
        tf.gather(places[part], rows)
        if isinstance(part, str)
        else ragged(
            tf.tile(tf.constant(part, tf.int32)[None, :], [tf.size(rows), 1])
        )
        for part in variant.parts
    ]
    all_rows.append(rows)
    prompts.append(tf.concat(parts, 1))
  # Back in the order of the samples.
  order = tf.argsort(tf.concat(all_rows, 0))
  return tf.gather(tf.concat(prompts, 0), order)


def ragged(tokens: tf.Tensor) -> Any:
  """Returns [n, m] as a ragged tensor with 64-bit splits."""
  return _RaggedTensor.from_tensor(tokens, row_splits_dtype=tf.int64)


def _num_tokens(part: np.ndarray | str) -> int:
  """Counts the tokens of words; places count as they are filled."""
  return 0 if isinstance(part, str) else len(part)
