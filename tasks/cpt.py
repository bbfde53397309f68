# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Continued pre-training: behaviour, item metadata and general text.

PLUM (arXiv 2510.07784) mixes user behaviour and item metadata in equal parts.
Its schemas are kept to where they are printed; other phrasings are our choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import functools
import os
import pathlib

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.data import behaviour as behaviour_windows
from plum_jax.data import item_text_tokens
from plum_jax.data import metadata as item_sentences
from plum_jax.data import mixing
from plum_jax.data import phrasings
from plum_jax.data import registration
from plum_jax.data import text_lines
from plum_jax.data.item_source import ItemSource
from plum_jax.data.source import TfdsDirectorySource
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.vocabulary import layout
from plum_jax.vocabulary import numeric_features

CATALOG_FOLDER = 'catalog'
# {noun} is a word for an item, {field} a text field of the catalog.
PHRASINGS: Mapping[str, tuple[str, ...]] = {
    'sid_to_text': (
        '{noun} {{sid}} has {field}: {{{field}}}',
        'The {field} of {noun} {{sid}} is {{{field}}}',
    ),
    'text_to_sid': (
        'The {noun} with {field} {{{field}}} is {{sid}}',
        '{field}: {{{field}}} {noun}: {{sid}}',
    ),
    'prefix_to_text': (
        '{noun} {{sid_prefix}} has {field}: {{{field}}}',
        'The {field} of {noun} {{sid_prefix}} are: {{{field}}}',
    ),
}
# For texts that say what an item is about; a title seldom does.
_ABOUT = 'The {noun} {{sid}} is about {{{field}}}'
_FEATURES = {'targets': False}


def behaviour(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    item_fields: Sequence[str] = ('title',),
    numbers: Sequence[str] = (),
    opening: str = 'wh =',
    separator: str = '||',
    max_field_tokens: int = 16,
    name: str = 'cpt_behaviour',
) -> str:
  """Registers `plum_<dataset>_<name>`: histories as text with SIDs.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifacts `catalog`, `semantic_ids`, `vocabulary`
      and `tasks`.
    item_fields: texts after each SID: `title`, `categories`, or a further text
      field of the catalog. PLUM has the channel's name there.
    numbers: after the texts, names of the vocabulary's numeric features.
    opening: text before the first item.
    separator: text before the item to be predicted.
    max_field_tokens: longer texts are cut.
    name: the last part of the task's name.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, they do not belong together, there is no
      such field or numeric feature.
  """
  run = pathlib.Path(run_directory)
  vocabulary = registration.open_vocabulary(run)
  registration.check_same_sid_table(run, vocabulary)
  folder = run / registration.VOCABULARY_FOLDER
  encoder = phrasings.Encoder(folder / layout.MODEL_FILE)
  texts = item_text_tokens.load(run / CATALOG_FOLDER, folder, item_fields)
  schema = behaviour_windows.BehaviourSchema(
      vocabulary.sid_tokens.level_first_ids.tolist(),
      opening=encoder.words(opening),
      separator=encoder.words(separator, first=False),
      item_texts=[texts[name].cut(max_field_tokens) for name in item_fields],
      numbers=[_number(folder, vocabulary.layout, name) for name in numbers],
  )
  return registration.add_task(
      name,
      dataset,
      TfdsDirectorySource(run / registration.TASKS_FOLDER),
      [functools.partial(behaviour_windows.behaviour_windows, schema=schema)],
      vocabulary,
      _FEATURES,
  )


def metadata(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    kind: str = 'sid_to_text',
    field: str = 'title',
    noun: str = 'item',
    variants: Sequence[str] = (),
    held_out_share: float = 0.1,
    max_field_tokens: int = 64,
) -> str:
  """Registers `plum_<dataset>_cpt_<kind>_<field>`: sentences about items.

  Its split `validation` has the items that are held out: their sentences are
  never trained on, their SIDs are, where users met them.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifacts `catalog`, `semantic_ids` and
      `vocabulary`.
    kind: `sid_to_text`, `text_to_sid` or `prefix_to_text`, which is asked with
      some of a SID's first codes.
    field: the text: `title`, `categories`, or a further text field.
    noun: what an item is called.
    variants: phrasings in the place of those in `PHRASINGS`, such as `The plot
      of {sid} is: {description}`; the last place is the answer.
    held_out_share: about which share of the items is held out.
    max_field_tokens: longer texts are cut.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, there is no such kind or field, a
      phrasing cannot be used, or no item has the field.
  """
  if kind not in PHRASINGS:
    raise registration.wrong_option('kind', kind, tuple(PHRASINGS))
  run = pathlib.Path(run_directory)
  vocabulary = registration.open_vocabulary(run)
  folder = run / registration.VOCABULARY_FOLDER
  table = sid_table.load(run / registration.SEMANTIC_IDS_FOLDER / TABLE_FILE)
  texts = item_text_tokens.load(run / CATALOG_FOLDER, folder, [field])
  encoder = phrasings.Encoder(folder / layout.MODEL_FILE)
  written = variants or [
      text.format(noun=noun, field=field)
      for text in (
          *PHRASINGS[kind],
          *([_ABOUT] if kind == 'sid_to_text' and field != 'title' else []),
      )
  ]
  sentences = item_sentences.Sentences(
      encoder.phrasings(written, (phrasings.SID, phrasings.SID_PREFIX, field)),
      vocabulary.sid_tokens.token_ids(table.full_codes),
      {name: rows.cut(max_field_tokens) for name, rows in texts.items()},
      registration.end_of_sequence(vocabulary),
  )
  if not sentences.num_complete:
    raise InputError(
        f'No item has the text {field!r}.',
        where=run / CATALOG_FOLDER,
        expected='items with this field',
        fix='Choose another field.',
    )
  item_ids = Catalog.load(run / CATALOG_FOLDER).item_ids
  return registration.add_task(
      f'cpt_{kind}_{field}',
      dataset,
      ItemSource(item_ids, held_out_share),
      [functools.partial(item_sentences.sentences, made_of=sentences)],
      vocabulary,
      _FEATURES,
  )


def text(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    files: Sequence[str] = (),
    validation_files: Sequence[str] = (),
) -> str:
  """Registers `plum_<dataset>_cpt_text`: any text, a paragraph a line.

  It measures and holds back forgetting of what a language model knows.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifact `vocabulary`; and `general_text`, if no
      files are named.
    files: text files in UTF-8, or patterns of their names, in its place.
    validation_files: the same for the split `validation`.

  Returns:
    The task's name.

  Raises:
    InputError: the vocabulary or a file is missing.
  """
  run = pathlib.Path(run_directory)
  vocabulary = registration.open_vocabulary(run)
  return registration.add_task(
      'cpt_text',
      dataset,
      text_lines.of_run(run, files, validation_files),
      [
          functools.partial(
              text_lines.pieces, encoding=text_lines.Encoding(vocabulary)
          )
      ],
      vocabulary,
      _FEATURES,
  )


def mixture(
    dataset: str,
    tasks: Sequence[str],
    rates: Sequence[float],
    name: str = 'cpt',
) -> str:
  """Registers `plum_<dataset>_<name>`, in the place of an older one.

  An epoch is a pass over the first task; the others begin again where they
  end before it.

  Args:
    dataset: names the catalog in the mixture's name.
    tasks: what `behaviour`, `metadata` and `text` returned. The first says how
      long an epoch is, and what prompts are in evaluation.
    rates: of their examples. PLUM: half behaviour, half metadata.
    name: the last part of the mixture's name.

  Returns:
    The mixture's name.

  Raises:
    InputError: there are not as many rates as tasks, or one is not positive.
  """
  return mixing.add_mixture(registration.task_name(name, dataset), tasks, rates)


def _number(
    folder: pathlib.Path, made: layout.VocabularyLayout, name: str
) -> tuple[numeric_features.Buckets, int]:
  """Returns the buckets of a feature and the token of the first."""
  known = numeric_features.load(folder)
  if name not in known:
    raise InputError(
        f'The vocabulary has no numeric feature {name!r}.',
        where=folder / numeric_features.FILE_NAME,
        expected=f'one of {", ".join(known)}' if known else 'some; it has none',
        fix='Add it to NUMERIC_FEATURES and run the stage vocabulary again.',
    )
  buckets = known[name]
  first = made.custom_tokens.index(buckets.tokens[0])
  return buckets, made.custom_first_id + first
