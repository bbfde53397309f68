# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How a sentence mentions items: by Semantic ID, by title, or by both.

    sid     <sid_1_3><sid_2_7>
    title   Toy Story,
    both    <sid_1_3><sid_2_7> Toy Story

A Semantic ID tells where the next item begins; titles alone end with a comma.
"""

from __future__ import annotations

from collections.abc import Sequence
import os
import pathlib

import numpy as np

from plum_jax.artifacts import manifest as manifests
from plum_jax.data import item_text_tokens
from plum_jax.data import phrasings
from plum_jax.data import registration
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.vocabulary import layout

SID, TITLE, BOTH = 'sid', 'title', 'both'
KINDS = (SID, TITLE, BOTH)
# What a prompt calls each as an answer.
FORMS = {SID: 'ID', TITLE: 'title', BOTH: 'ID and title'}
_CATALOG_FOLDER = 'catalog'


class ItemMentions:
  """Tables of tokens to mention a run's items with, a row per item number."""

  def __init__(self, run_directory: str | os.PathLike[str]):
    """Reads a run's vocabulary and SID table.

    Args:
      run_directory: with the artifacts `catalog`, `semantic_ids`, `vocabulary`
        and `tasks`.

    Raises:
      InputError: one is missing, or they do not belong together.
    """
    run = pathlib.Path(run_directory)
    self.run_directory = run
    self.vocabulary = registration.open_vocabulary(run)
    registration.check_same_sid_table(run, self.vocabulary)
    tasks = run / registration.TASKS_FOLDER
    table_file = run / registration.SEMANTIC_IDS_FOLDER / TABLE_FILE
    manifests.check_input(tasks, 'catalog', run / _CATALOG_FOLDER)
    manifests.check_input(tasks, 'semantic_ids', table_file)
    self._folder = run / registration.VOCABULARY_FOLDER
    self.encoder = phrasings.Encoder(self._folder / layout.MODEL_FILE)
    self.end = registration.end_of_sequence(self.vocabulary)
    codes = sid_table.load(table_file).full_codes
    self.sids = rows(
        self.vocabulary.sid_tokens.token_ids(codes),
        f'sid {manifests.content_hash(table_file)}',
    )

  def texts(self, fields: Sequence[str], max_tokens: int) -> list[TextTokens]:
    """Encodes fields of the items.

    Args:
      fields: `title`, `categories` or a further text field.
      max_tokens: longer texts are cut.

    Returns:
      A table for each field.

    Raises:
      InputError: there is no such field.
    """
    catalog = self.run_directory / _CATALOG_FOLDER
    tables = item_text_tokens.load(catalog, self._folder, fields)
    return [tables[field].cut(max_tokens) for field in fields]

  def mentions(
      self, kind: str, fields: Sequence[str], max_tokens: int
  ) -> TextTokens:
    """Returns how items are mentioned in a list of them.

    Args:
      kind: `sid`, `title` or `both`.
      fields: texts that stand in the place of a title, one after another.
      max_tokens: of a text; longer ones are cut.

    Returns:
      A table.

    Raises:
      InputError: there is no such kind or field.
    """
    check_kind('show', kind)
    if kind == SID:
      return self.sids
    texts = self.texts(fields, max_tokens)
    if kind == BOTH:
      return item_text_tokens.join([self.sids, *texts])
    return item_text_tokens.join([*texts, self._same_for_all(',')])

  def answers(self, kind: str, max_tokens: int) -> TextTokens:
    """Returns how an item is given as an answer, without the end.

    Args:
      kind: `sid`, `title` or `both`.
      max_tokens: of a title; longer ones are cut.

    Returns:
      A table. An item without a title has an empty row of kind `title`.

    Raises:
      InputError: there is no such kind.
    """
    check_kind('answer', kind)
    if kind == SID:
      return self.sids
    titles = self.texts(['title'], max_tokens)
    return item_text_tokens.join(
        [*([self.sids] if kind == BOTH else []), *titles]
    )

  def _same_for_all(self, text: str) -> TextTokens:
    words = self.encoder.words(text, first=False)
    return rows(np.tile(words, (len(self.sids), 1)), repr(text))


def rows(tokens: np.ndarray, content_hash: str) -> TextTokens:
  """Makes a table of rows of one length.

  Args:
    tokens: int32 [n, m].
    content_hash: names what they were made from.
  """
  starts = np.arange(len(tokens) + 1, dtype=np.int64) * tokens.shape[1]
  return TextTokens(
      np.ascontiguousarray(tokens, np.int32).ravel(), starts, content_hash
  )


def check_kind(option: str, kind: str) -> None:
  """Refuses a kind that there is not.

  Raises:
    InputError: with the option's name.
  """
  if kind not in KINDS:
    raise registration.wrong_option(option, kind, KINDS)
