# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Auxiliary tasks, mixed into training so that it knows what recommenders do.

Masked item modelling (MIM), masked language modelling (MLM) and Bayesian
personalised ranking (BPR) as text are those of "Aligning LLMs with
Recommendation Knowledge" (arXiv 2404.00245). Span corruption of general text
and of items' texts is T5's pre-training (arXiv 1910.10683), to start an
encoder-decoder from where there is no published one. Phrasings, windows,
samples per user and rates are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import os
import pathlib

from plum_jax.catalog.catalog import Catalog
from plum_jax.data import item_mentions
from plum_jax.data import item_text_tokens
from plum_jax.data import negative_items
from plum_jax.data import registration
from plum_jax.data import span_corruption
from plum_jax.data import text_lines
from plum_jax.data import training_windows
from plum_jax.data import worded_examples
from plum_jax.data.item_mentions import FORMS
from plum_jax.data.item_source import ItemSource
from plum_jax.data.masked_fields import MaskedFields
from plum_jax.data.masked_items import MaskedItem
from plum_jax.data.negative_items import NegativeItems
from plum_jax.data.preferred_items import PreferredItem
from plum_jax.data.span_corruption import SpanCorruption
from plum_jax.data.worded_setting import WordedSetting

CATALOG_FOLDER = 'catalog'
# {noun} is a word for an item, {form} says what the answer is.
MIM_PHRASINGS = (
    'One {noun} is missing: {{history}} | The missing {noun}, by its {form}:',
    '{{history}} | Which {noun} is left out, by its {form}:',
    'Complete the history {{history}} | by the {form} of the {noun} left out:',
)
MLM_PHRASINGS = (
    'Fill in: {{history}}',
    'History with gaps: {{history}}',
    '{{history}} | Fill in what is missing:',
)
BPR_PHRASINGS = (
    'History: {{history}} | Which {noun} does this user prefer, {{first}} or '
    '{{second}} | by its {form}:',
    '{{first}} or {{second}} | which suits a user with the history {{history}}'
    ' | by its {form}:',
    'A user had: {{history}} | Preferred of {{first}} and {{second}} | by its '
    '{form}:',
)
_FEATURES = {'inputs': False, 'targets': False}


def mim(
    setting: WordedSetting,
    *,
    answer: str = item_mentions.BOTH,
    mask: str = '',
    variants: Sequence[str] = (),
    name: str = 'mim',
) -> str:
  """Registers `plum_<dataset>_<name>`: which item of a history is masked.

  Args:
    setting: of all tasks in natural language.
    answer: what is asked for: `sid`, `title` or `both`.
    mask: words in the place of the item; T5's first sentinel if empty.
    variants: phrasings in the place of those in `MIM_PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option or a phrasing cannot be used; there is no sentinel.
  """
  items = item_mentions.ItemMentions(setting.run_directory)
  item_mentions.check_kind('answer', answer)
  if mask:
    tokens = tuple(items.encoder.words(mask, first=False).tolist())
  else:
    tokens = span_corruption.sentinels(items.vocabulary, name)[:1]
  task = MaskedItem(
      setting,
      items,
      variants or setting.phrasings(MIM_PHRASINGS, form=FORMS[answer]),
      answer=answer,
      mask=tokens,
  )
  return worded_examples.add(name, setting, items, task, training_only=True)


def mlm(
    setting: WordedSetting,
    *,
    noise_density: float = 0.15,
    variants: Sequence[str] = (),
    name: str = 'mlm',
) -> str:
  """Registers `plum_<dataset>_<name>`: masked fields of a history's items.

  Args:
    setting: of all tasks in natural language.
    noise_density: share of the tokens that is masked.
    variants: phrasings in the place of those in `MLM_PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option or a phrasing cannot be used; there are no sentinels.
  """
  items = item_mentions.ItemMentions(setting.run_directory)
  task = MaskedFields(
      setting,
      items,
      variants or setting.phrasings(MLM_PHRASINGS),
      noise_density=noise_density,
      sentinels=span_corruption.sentinels(items.vocabulary, name),
  )
  return worded_examples.add(name, setting, items, task, training_only=True)


def bpr(
    setting: WordedSetting,
    *,
    answer: str = item_mentions.SID,
    negatives: str = negative_items.UNIFORM,
    variants: Sequence[str] = (),
    name: str = 'bpr',
) -> str:
  """Registers `plum_<dataset>_<name>`: which of two items a user prefers.

  Args:
    setting: of all tasks in natural language.
    answer: how the preferred item is given: `sid`, `title` or `both`.
    negatives: how the other item is drawn, from the items of training windows:
      `uniform` or `popularity`.
    variants: phrasings in the place of those in `BPR_PHRASINGS`.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together; an
      option or a phrasing cannot be used.
  """
  items = item_mentions.ItemMentions(setting.run_directory)
  item_mentions.check_kind('answer', answer)
  task = PreferredItem(
      setting,
      items,
      variants or setting.phrasings(BPR_PHRASINGS, form=FORMS[answer]),
      answer=answer,
      negatives=NegativeItems(
          training_windows.item_counts(setting.run_directory), negatives
      ),
  )
  return worded_examples.add(name, setting, items, task, training_only=True)


def text_span_corruption(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    files: Sequence[str] = (),
    validation_files: Sequence[str] = (),
    noise_density: float = 0.15,
    mean_span_length: float = 3.0,
) -> str:
  """Registers `plum_<dataset>_text_span_corruption`: any text, T5's way.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifact `vocabulary`; and `general_text`, if no
      files are named.
    files: text files in UTF-8, a paragraph a line, or patterns of their names.
    validation_files: the same for the split `validation`.
    noise_density: share of the tokens that is masked.
    mean_span_length: tokens of a span on average.

  Returns:
    The task's name.

  Raises:
    InputError: the vocabulary or a file is missing, an option cannot be used,
      or there are no sentinels.
  """
  vocabulary = registration.open_vocabulary(pathlib.Path(run_directory))
  name = 'text_span_corruption'
  return registration.add_task(
      name,
      dataset,
      text_lines.of_run(run_directory, files, validation_files),
      [
          functools.partial(
              span_corruption.of_lines,
              encoding=text_lines.Encoding(vocabulary),
              corruption=SpanCorruption(
                  span_corruption.sentinels(vocabulary, name),
                  registration.end_of_sequence(vocabulary),
                  noise_density,
                  mean_span_length,
              ),
          )
      ],
      vocabulary,
      _FEATURES,
  )


def item_span_corruption(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    item_fields: Sequence[str] = ('title', 'categories'),
    held_out_share: float = 0.0,
    max_field_tokens: int = 64,
    noise_density: float = 0.15,
    mean_span_length: float = 3.0,
) -> str:
  """Registers `plum_<dataset>_item_span_corruption`: texts of items, T5's way.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifacts `catalog` and `vocabulary`.
    item_fields: texts of an item, one after another.
    held_out_share: about which share of the items is left to the split
      `validation`.
    max_field_tokens: longer texts are cut.
    noise_density: share of the tokens that is masked.
    mean_span_length: tokens of a span on average.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, there is no such field, an option cannot
      be used, or there are no sentinels.
  """
  run = pathlib.Path(run_directory)
  vocabulary = registration.open_vocabulary(run)
  tables = item_text_tokens.load(
      run / CATALOG_FOLDER, run / registration.VOCABULARY_FOLDER, item_fields
  )
  name = 'item_span_corruption'
  return registration.add_task(
      name,
      dataset,
      ItemSource(Catalog.load(run / CATALOG_FOLDER).item_ids, held_out_share),
      [
          functools.partial(
              span_corruption.of_items,
              texts=item_text_tokens.join(
                  [tables[field].cut(max_field_tokens) for field in item_fields]
              ),
              corruption=SpanCorruption(
                  span_corruption.sentinels(vocabulary, name),
                  registration.end_of_sequence(vocabulary),
                  noise_density,
                  mean_span_length,
              ),
          )
      ],
      vocabulary,
      _FEATURES,
  )
