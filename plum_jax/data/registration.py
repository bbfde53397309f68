# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What every registration of a task over a run's user histories needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import functools
import os
import pathlib
import re
from typing import Any, cast

import seqio
import tensorflow as tf

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.data import preprocessors
from plum_jax.data import tensorflow_runtime
from plum_jax.data.feature_converters import LOSS_WEIGHT
from plum_jax.data.source import TfdsDirectorySource
from plum_jax.semantic_ids import lineage
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

TASKS_FOLDER = 'tasks'
VOCABULARY_FOLDER = 'vocabulary'
SEMANTIC_IDS_FOLDER = 'semantic_ids'
# Examples of one user come after each other; the buffer mixes those of some
# hundred users, and the order of the users is drawn when the files are written.
_SHUFFLE_BUFFER_SIZE = 16_384

# A dataclass in a way that type checkers do not see.
_NUMBER = cast(Any, seqio.ContinuousFeature)(
    dtype=tf.float32, rank=0, add_eos=False
)

Preprocessor = Callable[..., tf.data.Dataset]


def add_history_task(
    stage: str,
    dataset: str,
    run_directory: str | os.PathLike[str],
    make_examples: Preprocessor,
    features: Mapping[str, bool],
    *,
    loss_weight: bool = False,
) -> str:
  """Registers `plum_<dataset>_<stage>`, in the place of an older one.

  Args:
    stage: the last part of the name.
    dataset: the middle part: letters, digits and underscores.
    run_directory: with the folders `tasks` and `vocabulary`.
    make_examples: a preprocessor of records with SID tokens.
    features: the features it makes that are tokens, and whether an
      end-of-sequence token is to be added to each.
    loss_weight: whether examples have a `loss_weight`. It is a feature of the
      task, so that no mixture with tasks that have none drops it silently.

  Returns:
    The task's name.

  Raises:
    InputError: the name cannot be one; a folder is missing; the two are of
      different SID tables.
  """
  run_directory = pathlib.Path(run_directory)
  vocabulary = open_vocabulary(run_directory)
  check_same_sid_table(run_directory, vocabulary)
  steps: list[Preprocessor] = [
      functools.partial(
          preprocessors.sid_tokens,
          level_first_ids=vocabulary.sid_tokens.level_first_ids.tolist(),
      ),
      make_examples,
  ]
  if any(features.values()):
    steps.append(seqio.preprocessors.append_eos)
  source = TfdsDirectorySource(run_directory / TASKS_FOLDER)
  return add_task(
      stage,
      dataset,
      source,
      steps,
      vocabulary,
      features,
      loss_weight=loss_weight,
  )


def open_vocabulary(run_directory: pathlib.Path) -> SemanticIdVocabulary:
  """Reads a run's vocabulary, and keeps TensorFlow off accelerators.

  Raises:
    InputError: there is none.
  """
  # Before TensorFlow's first operation: later it is too late.
  tensorflow_runtime.keep_off_accelerators()
  return SemanticIdVocabulary(run_directory / VOCABULARY_FOLDER)


def end_of_sequence(vocabulary: SemanticIdVocabulary) -> int:
  """Returns the token that ends a sequence; every text model has one."""
  end = vocabulary.eos_id
  assert end is not None
  return end


def task_name(stage: str, dataset: str) -> str:
  """Returns `plum_<dataset>_<stage>`.

  Raises:
    InputError: the name cannot be one.
  """
  if not re.fullmatch(r'\w+', dataset, re.ASCII):
    raise InputError(
        f'{dataset!r} cannot be part of a task name.',
        where='dataset',
        expected='letters, digits and underscores, such as movielens_100k',
        fix='Rename it.',
    )
  return f'plum_{dataset}_{stage}'


def add_task(
    stage: str,
    dataset: str,
    source: Any,
    steps: Sequence[Preprocessor],
    vocabulary: SemanticIdVocabulary,
    features: Mapping[str, bool],
    *,
    loss_weight: bool = False,
) -> str:
  """Registers `plum_<dataset>_<stage>`, in the place of an older one.

  Args:
    stage: the last part of the name.
    dataset: the middle part.
    source: a `seqio.DataSource` of the records.
    steps: preprocessors, which make the features.
    vocabulary: of the features.
    features: those that are tokens, and whether they end with an
      end-of-sequence token.
    loss_weight: see `add_history_task`.

  Returns:
    The task's name.

  Raises:
    InputError: the name cannot be one.
  """
  name = task_name(stage, dataset)
  if name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(name)
  seqio.TaskRegistry.add(
      name,
      source=source,
      preprocessors=list(steps),
      output_features={
          feature: seqio.Feature(vocabulary, add_eos=add_eos)
          for feature, add_eos in features.items()
      }
      | ({LOSS_WEIGHT: _NUMBER} if loss_weight else {}),
      shuffle_buffer_size=_SHUFFLE_BUFFER_SIZE,
  )
  return name


def wrong_option(
    name: str, value: object, allowed: Sequence[str]
) -> InputError:
  """Says which values an option of a task has."""
  return InputError(
      f'{name} is {value!r}.',
      where=f'the option {name} of the task',
      expected=f'one of {", ".join(allowed)}',
      fix='Correct the value.',
  )


def check_same_sid_table(
    run_directory: pathlib.Path, vocabulary: SemanticIdVocabulary
) -> None:
  """Refuses histories and a vocabulary of different SID tables."""
  folder = run_directory / TASKS_FOLDER
  made = manifests.load(folder)
  if made is None:
    raise InputError(
        'The user histories do not exist.',
        where=folder,
        expected='the folder that the stage tasks makes',
        fix='Run the stage tasks first.',
    )
  recorded = made.inputs.get('semantic_ids')
  wanted = vocabulary.layout.sid_table_hash
  table = run_directory / SEMANTIC_IDS_FOLDER
  # Versions of one table have the same tokens.
  if recorded != wanted and not lineage.are_versions(table, recorded, wanted):
    raise InputError(
        f'{folder} and {run_directory / VOCABULARY_FOLDER} were made from '
        'different SID tables.',
        where=f'{folder / manifests.FILE_NAME}, inputs.semantic_ids',
        expected=f'{wanted}, got {recorded}',
        fix='Run the stages vocabulary and tasks again.',
    )
