# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a prompt says beside SIDs: texts of items, of the user, of the context.

PLUM's prompt (arXiv 2510.07784, section on SFT) is the watch history, then user
features, then features of the context item, SID tokens interleaved with text:

    <sid> text <sid> text … | gender M, occupation writer | now <sid> text

The paper prints neither separators nor field names: these are our choice, and
so is that the context item is the newest of the history. A part without fields
is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import functools
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import users as users_lib
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.catalog import USERS_FILE
from plum_jax.data import item_text_tokens
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.vocabulary import layout

_PART = '| '
_CONTEXT = '| now'


@dataclasses.dataclass(frozen=True, eq=False)
class PromptTexts:
  """Tables of tokens that prompts are put together from.

  Attributes:
    items: what follows each item's SID in the history; None for nothing.
    users: the whole part of each user number; None for no such part.
    context: what follows the SID of the context item; None for no such part.
    context_words: int32 [n], what precedes that SID.
  """

  items: TextTokens | None
  users: TextTokens | None
  context: TextTokens | None
  context_words: np.ndarray

  def describe(self) -> dict[str, Any]:
    """Returns JSON values for the description of a task."""
    tables = {'items': self.items, 'users': self.users, 'context': self.context}
    return {
        name: table.describe() for name, table in tables.items() if table
    } | {'context_words': self.context_words.tolist()}

  @functools.cached_property
  def tensors(self) -> dict[str, Any]:
    """The tables as tensors that graph functions capture, by name."""
    with tf.init_scope():
      tables = {
          'items': self.items,
          'users': self.users,
          'context': self.context,
      }
      return {name: t.ragged() for name, t in tables.items() if t is not None}

  def check_budget(self, length: int, num_levels: int) -> None:
    """Refuses an input length that cannot hold all parts and one item.

    Args:
      length: tokens of the input.
      num_levels: tokens of a SID.

    Raises:
      InputError: the longest texts of the catalog and one item need more.
    """
    longest = {
        'item': num_levels + _longest(self.items),
        'user features': _longest(self.users),
        'context item': 0,
    }
    if self.context is not None:
      longest['context item'] = (
          len(self.context_words) + num_levels + _longest(self.context)
      )
    needed = sum(longest.values())
    if length < needed:
      parts = ', '.join(f'{n} {name}' for name, n in longest.items())
      raise InputError(
          f'An input of {length} tokens has no room for the prompt; the '
          f'longest parts are: {parts}.',
          where="TASK_FEATURE_LENGTHS['inputs']",
          expected=f'at least {needed} tokens: all parts and one item',
          fix='Raise it, name fewer fields, or lower max_field_tokens.',
      )


def load(
    run_directory: str | os.PathLike[str],
    *,
    item_fields: Sequence[str] = (),
    user_fields: Sequence[str] = (),
    context_fields: Sequence[str] = (),
    max_field_tokens: int = 32,
) -> PromptTexts | None:
  """Encodes the texts of a run's items and users.

  Args:
    run_directory: with `catalog` and `vocabulary`.
    item_fields: fields of items that follow each SID of the history.
    user_fields: columns of `users.parquet`, texts or numbers.
    context_fields: fields that follow the SID of the context item.
    max_field_tokens: a longer field of an item is cut to its first tokens.

  Returns:
    The tables; None if no field is named.

  Raises:
    InputError: an artifact is missing, or has no such field; the histories are
      of another catalog, whose rows have other numbers.
  """
  if not (item_fields or user_fields or context_fields):
    return None
  run_directory = pathlib.Path(run_directory)
  catalog, vocabulary = run_directory / 'catalog', run_directory / 'vocabulary'
  manifests.check_input(run_directory / 'tasks', 'catalog', catalog)
  model_file = vocabulary / layout.MODEL_FILE

  def of_items(fields: Sequence[str]) -> TextTokens | None:
    if not fields:
      return None
    tables = item_text_tokens.load(catalog, vocabulary, fields)
    return item_text_tokens.join(
        [tables[field].cut(max_field_tokens) for field in fields]
    )

  users = None
  if user_fields:
    users = _user_parts(catalog, model_file, user_fields)
  words = item_text_tokens.phrases({'context': _CONTEXT}, model_file)
  return PromptTexts(
      of_items(item_fields), users, of_items(context_fields), words['context']
  )


def _user_parts(
    catalog_directory: pathlib.Path,
    model_file: pathlib.Path,
    fields: Sequence[str],
) -> TextTokens:
  """Encodes what is known of each user, a row per user number."""
  catalog = Catalog.load(catalog_directory)
  known = catalog.users.column_names[1:] if catalog.users else []
  for field in fields:
    if field not in known:
      raise InputError(
          f'Nothing is known of users by the name {field!r}.',
          where=catalog_directory / USERS_FILE,
          expected=f'one of {", ".join(known)}'
          if known
          else 'a catalog with a table of users',
          fix='Correct user_fields, or give the source a file of users and run '
          'the stage catalog again in a new folder.',
      )
  texts = user_texts(catalog.users, catalog.user_ids, fields)
  hashes = (
      manifests.content_hash(catalog_directory),
      manifests.content_hash(model_file),
  )
  return dataclasses.replace(
      item_text_tokens.encode(texts, model_file),
      content_hash=' '.join((*fields, *hashes)),
  )


def user_texts(
    table: pa.Table, user_ids: pa.Array, fields: Sequence[str]
) -> pa.Array:
  """Writes the part of the prompt on each user.

  Args:
    table: a checked user table.
    user_ids: strings [n].
    fields: columns of the table, in the order of the text.

  Returns:
    string [n], null where none of the fields is known.

  >>> table = users_lib.make_users(
  ...     pa.array(['a', 'b']), texts={'gender': pa.array(['F', None])},
  ...     numbers={'age': pa.array([24, 30], pa.float32())})
  >>> users = pa.array(['b', 'c', 'a'])
  >>> user_texts(table, users, ['gender', 'age']).to_pylist()
  ['| age 30', None, '| gender F, age 24']
  """
  columns = [
      pc.binary_join_element_wise(
          f', {field}', users_lib.texts_of(table, user_ids, field), ' '
      )
      for field in fields
  ]
  joined = pc.binary_join_element_wise(
      *columns, '', null_handling='replace', null_replacement=''
  )
  joined = pc.utf8_slice_codeunits(joined, start=2)
  text = pc.binary_join_element_wise(_PART, joined, '')
  return pc.if_else(pc.equal(joined, ''), pa.scalar(None, pa.string()), text)


def _longest(table: TextTokens | None) -> int:
  return 0 if table is None else int(table.lengths.max(initial=0))
