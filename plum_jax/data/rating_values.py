# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ratings as text: the values that there are, and the tokens of each.

A model that is asked for a rating answers with a text such as `4` or `3.5`.
The probabilities of all answers give the expected rating:

    values = rating_values.load(run_directory)
    answers = Answers(values.token_ids)              # models.answers
    rating = expected_value(probabilities, values.values)
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.data import phrasings
from plum_jax.data import training_windows
from plum_jax.vocabulary import layout
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

# More are no scale, and each is an answer to be scored.
MAX_VALUES = 100


@dataclasses.dataclass(frozen=True)
class RatingValues:
  """The distinct ratings of the training windows.

  Attributes:
    values: ascending.
    token_ids: the tokens of each as an answer, which end with the
      end-of-sequence token: so none is the beginning of another.
  """

  values: tuple[float, ...]
  token_ids: tuple[tuple[int, ...], ...]

  @property
  def texts(self) -> tuple[str, ...]:
    """How each is written."""
    return tuple(map(written, self.values))

  def describe(self) -> dict[str, Any]:
    """Returns JSON values for the description of a task."""
    return dataclasses.asdict(self)


def written(value: float) -> str:
  """Writes a rating.

  >>> written(4.0), written(3.5)
  ('4', '3.5')
  """
  return f'{value:g}'


def load(run_directory: str | os.PathLike[str]) -> RatingValues:
  """Finds the ratings of a run's training windows.

  Args:
    run_directory: with the artifacts `catalog`, `vocabulary` and `tasks`.

  Returns:
    The values and their tokens.

  Raises:
    InputError: an artifact is missing; interactions have no ratings, all the
      same one, or more than `MAX_VALUES`; the vocabulary writes two alike.
  """
  run = pathlib.Path(run_directory)
  found = training_windows.distinct_ratings(run)
  if not 2 <= len(found) <= MAX_VALUES:
    what = (
        f'have {len(found)} distinct ratings' if len(found) else 'are not rated'
    )
    raise InputError(
        f'The interactions of the training windows {what}.',
        where=run / 'catalog',
        expected=f'ratings of 2 to {MAX_VALUES} distinct values',
        fix='Leave the rating task out, or bring a catalog with such ratings.',
    )
  end = SemanticIdVocabulary(run / 'vocabulary').eos_id
  assert end is not None
  encoder = phrasings.Encoder(run / 'vocabulary' / layout.MODEL_FILE)
  values = tuple(float(value) for value in found)
  token_ids = tuple(
      (*map(int, encoder.words(written(value))), end) for value in values
  )
  if len(set(token_ids)) < len(values):
    raise InputError(
        'The vocabulary writes different ratings with the same tokens.',
        where=run / 'vocabulary',
        expected=f'pieces for the digits of {", ".join(map(written, values))}',
        fix='Train the vocabulary with more pieces, or on text with digits.',
    )
  return RatingValues(values, token_ids)
