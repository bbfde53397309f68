# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Kinds of item content, and how each becomes vectors."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import re

from plum_jax.artifacts.errors import InputError

_NAME = re.compile(r'[A-Za-z0-9_-]+')


@dataclasses.dataclass(frozen=True)
class TextModality:
  """Text made from fields of an item, embedded by a sentence encoder.

  TIGER (arXiv 2305.05065) embeds a sentence made of title, price, brand and
  category: `fields=('title', 'price', 'brand', 'categories')`.

  Attributes:
    name: the modality's name, also of its files.
    fields: columns of `items.parquet` in the order of the sentence. Empty:
      title, categories and every further text column.
    template: a text with fields in braces, `{title} by {brand}`, in the place
      of the sentence; a missing field leaves nothing there. Empty: the
      sentence `title: … . brand: … .`, which leaves missing fields out with
      their names.
    encoder: a name in `published.ENCODERS` or the path of a
      sentence-transformers folder.
  """

  name: str = 'text'
  fields: Sequence[str] = ()
  template: str = ''
  encoder: str = 'all-MiniLM-L6-v2'


@dataclasses.dataclass(frozen=True)
class FileModality:
  """Embeddings made elsewhere.

  Attributes:
    name: the modality's name, also of its files.
    path: a `.npy` file, floating point [num_items, dim] in the order of
      `items.parquet`, with a bool [num_items] `<stem>.present.npy` beside it
      if some items have none; or a `.parquet` file in any order, whose items
      may be fewer than the catalog's. Shards of either kind are given as a
      folder, or as a pattern with `*`; see `shards.find`.
    id_column: the Parquet file's column of item ids.
    column: its column of lists of floats, all of one length; null where an
      item has none.
  """

  name: str
  path: str
  id_column: str = 'item_id'
  column: str = 'embedding'


Modality = TextModality | FileModality


def check(modalities: Sequence[Modality]) -> None:
  """Refuses a configuration that cannot be stored.

  Args:
    modalities: as configured.

  Raises:
    InputError: none, a name that is no file name or comes twice, or a text
      with both fields and a template.

  >>> check((TextModality(), FileModality('image', 'image.npy')))
  """
  if not modalities:
    raise InputError(
        'No modality is configured.',
        where='modalities',
        expected='at least one TextModality or FileModality',
        fix='Add one; TextModality() embeds all text fields.',
    )
  names = [modality.name for modality in modalities]
  for modality in modalities:
    if not _NAME.fullmatch(modality.name) or names.count(modality.name) > 1:
      raise InputError(
          f'The name {modality.name!r} cannot be used for a modality.',
          where='modalities',
          expected='letters, digits, _ and -, each name once',
          fix='Choose another name.',
      )
    if (
        isinstance(modality, TextModality)
        and modality.fields
        and modality.template
    ):
      raise InputError(
          'The text has fields and a template.',
          where=f'modality {modality.name}',
          expected='one of them: a template names its own fields',
          fix='Leave one of them empty.',
      )
