# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Fields of items to one text each, a whole chunk of items at a time."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import string

import pyarrow as pa
from pyarrow import compute as pc

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import modalities

_NOT_TEXT = ('item_id',)


@dataclasses.dataclass(frozen=True)
class TextMaker:
  """How items' texts are made, checked against the table's columns.

  Attributes:
    fields: the columns that are read.
    pieces: a template's parts: (literal text, the field after it or None).
      Empty: the sentence of all fields.
  """

  fields: tuple[str, ...]
  pieces: tuple[tuple[str, str | None], ...]

  def texts(self, items: pa.RecordBatch | pa.Table) -> pa.Array:
    """Makes the texts.

    Args:
      items: a table with the columns `fields`.

    Returns:
      One string per item; null for an item that has none of the fields.

    Raises:
      InputError: a field is of a type that has no text.

    >>> items = pa.table({'title': ['Heat', 'Alien', ''],
    ...                   'year': [1995, None, None]})
    >>> TextMaker(('title', 'year'), ()).texts(items).to_pylist()
    ['title: Heat. year: 1995', 'title: Alien', None]
    """
    values = {name: field_texts(items, name) for name in self.fields}
    if self.pieces:
      return _fill_in(self.pieces, values)
    parts = [
        pc.binary_join_element_wise(f'. {name}: ', column, '')
        for name, column in values.items()
    ]
    # Not null_handling='skip': PyArrow 25 drops rows in which all are null.
    sentence = pc.binary_join_element_wise(
        *parts, '', null_handling='replace', null_replacement=''
    )
    return _null_if_empty(pc.utf8_slice_codeunits(sentence, start=2))


def text_maker(
    modality: modalities.TextModality, schema: pa.Schema, where: object
) -> TextMaker:
  """Checks a modality against the items' table.

  Args:
    modality: the configured text.
    schema: columns of the items' table.
    where: the table's path, for the message.

  Returns:
    What makes the texts.

  Raises:
    InputError: the template cannot be read, or names no field or an unknown
      one.
  """
  pieces = _parse(modality) if modality.template else ()
  fields = tuple(modality.fields) or tuple(
      dict.fromkeys(field for _, field in pieces if field is not None)
  )
  if not fields and not modality.template:
    fields = _all_text_fields(schema)
  unknown = [name for name in fields if name not in schema.names]
  if unknown:
    raise InputError(
        f'The items have no field {unknown[0]!r}.',
        where=f'modality {modality.name}, {where}',
        expected=f'one of {", ".join(schema.names)}',
        fix='Correct the name in fields or template.',
    )
  if not fields:
    raise InputError(
        'The text names no field, so all items would have the same.',
        where=f'modality {modality.name}',
        expected='at least one field, such as {title}',
        fix='Name fields in fields or template.',
    )
  return TextMaker(fields, pieces)


def _all_text_fields(schema: pa.Schema) -> tuple[str, ...]:
  """Returns title, categories, then the other text columns in their order."""
  first = [name for name in ('title', 'categories') if name in schema.names]
  others = [
      field.name
      for field in schema
      if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
  ]
  names = dict.fromkeys([*first, *others])
  return tuple(name for name in names if name not in _NOT_TEXT)


def _parse(
    modality: modalities.TextModality,
) -> tuple[tuple[str, str | None], ...]:
  """Splits a template into literals and fields."""
  try:
    parsed = list(string.Formatter().parse(modality.template))
  except ValueError as error:
    raise _bad_template(modality, str(error)) from error
  for _, field, specification, conversion in parsed:
    if field == '' or specification or conversion:
      raise _bad_template(modality, 'a field without name or with a format')
  return tuple((literal, field) for literal, field, _, _ in parsed)


def _bad_template(modality: modalities.TextModality, why: str) -> InputError:
  return InputError(
      f'The template cannot be used: {why}.',
      where=f'modality {modality.name}, template {modality.template!r}',
      expected="text with plain fields in braces, such as '{title} by {brand}'",
      fix='Correct the template; write {{ and }} for braces.',
  )


def _fill_in(
    pieces: Sequence[tuple[str, str | None]], values: dict[str, pa.Array]
) -> pa.Array:
  """Fills a template; null where all of its fields are missing."""
  parts = []
  for literal, field in pieces:
    parts += [literal] if literal else []
    parts += [values[field]] if field is not None else []
  texts = pc.binary_join_element_wise(
      *parts, '', null_handling='replace', null_replacement=''
  )
  present = pc.is_valid(pc.coalesce(*values.values()))
  return pc.if_else(present, texts, pa.scalar(None, pa.string()))


def field_texts(items: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
  """Turns a column into strings.

  Args:
    items: with the column, of strings, numbers or lists (of lists) of strings.
    name: the column's.

  Returns:
    string [num_items], null where there is nothing. Names of a list are joined
    by commas, those of a path by `>`.

  Raises:
    InputError: the column is of a type that has no text.
  """
  column = items.column(name)
  if isinstance(column, pa.ChunkedArray):
    column = column.combine_chunks()
  kind = column.type
  if pa.types.is_list(kind) and pa.types.is_list(kind.value_type):
    _check_no_nulls(column.flatten().flatten(), name)
    paths = _join_lists(column.flatten(), ' > ')
    return _null_if_empty(_join_lists(_with_values(column, paths), ', '))
  if pa.types.is_list(kind):
    _check_no_nulls(column.flatten(), name)
    return _null_if_empty(_join_lists(column, ', '))
  return _null_if_empty(_as_strings(column, name))


def _check_no_nulls(leaves: pa.Array, name: str) -> None:
  if leaves.null_count:
    raise InputError(
        f'The lists of {name} hold nulls.',
        where=f'items, column {name}',
        expected='lists of strings',
        fix='Leave out what is not known instead.',
    )


def _as_strings(column: pa.Array, name: str) -> pa.Array:
  """Casts a column without nesting."""
  try:
    return pc.cast(column, pa.string())
  except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
    raise InputError(
        f'The field {name} of type {column.type} has no text: {error}.',
        where=f'items, column {name}',
        expected='strings, numbers, or lists of strings',
        fix='Leave the field out, or give the catalog a text column of it.',
    ) from error


def _join_lists(lists: pa.Array, separator: str) -> pa.Array:
  values = pc.cast(lists.flatten(), pa.string())
  return pc.binary_join(_with_values(lists, values), separator)


def _with_values(lists: pa.Array, values: pa.Array) -> pa.Array:
  """Gives lists other values; a null list becomes an empty one."""
  lengths = pc.fill_null(pc.list_value_length(lists), 0)
  ends = pc.cumulative_sum(pc.cast(lengths, pa.int32()))
  offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
  return pa.ListArray.from_arrays(offsets, values)


def _null_if_empty(texts: pa.Array) -> pa.Array:
  trimmed = pc.utf8_trim_whitespace(texts)
  empty = pc.equal(trimmed, '')
  return pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)
