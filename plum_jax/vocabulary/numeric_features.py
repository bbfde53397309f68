# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Numbers of interactions as tokens: buckets with equal shares of the data.

PLUM writes numeric features of a watch as custom tokens (arXiv 2510.07784,
continued pre-training). It does not say how numbers become tokens: quantiles
of the training windows are our choice. The edges are saved beside the
vocabulary whose tokens they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import json
import os
import pathlib
import re

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split

FILE_NAME = 'numeric_features.json'
HOURS_SINCE = 'hours_since'
# In the place of a number's, where an interaction has none.
MISSING = 'none'
_SECONDS_PER_HOUR = 3_600.0


@dataclasses.dataclass(frozen=True)
class NumericFeature:
  """A number of an interaction that gets tokens.

  Attributes:
    name: `rating` or `reward`; or `hours_since`, the hours from an interaction
      to the last one that is shown with it.
    num_buckets: the most tokens; fewer where the data has few values.
  """

  name: str
  num_buckets: int = 10

  def __post_init__(self):
    if not re.fullmatch(r'[a-z][a-z0-9_]*', self.name, re.ASCII):
      raise InputError(
          f'{self.name!r} cannot be the name of tokens.',
          where='NumericFeature.name',
          expected='lower-case letters, digits and underscores',
          fix='Rename it.',
      )
    if self.num_buckets < 1:
      raise InputError(
          f'num_buckets is {self.num_buckets}.',
          where=f'NumericFeature {self.name!r}',
          expected='at least 1',
          fix='Choose 10 or so.',
      )


@dataclasses.dataclass(frozen=True)
class Buckets:
  """The tokens of a number.

  Attributes:
    name: the feature's.
    edges: ascending; bucket `i` has the values from `edges[i - 1]` up to, not
      including, `edges[i]`.

  >>> buckets = Buckets('rating', (3.0, 5.0))
  >>> buckets.tokens
  ('<rating_0>', '<rating_1>', '<rating_2>', '<rating_none>')
  >>> buckets.bucket(np.array([1.0, 3.0, 4.5, 5.0, np.nan])).tolist()
  [0, 1, 1, 2, 3]
  """

  name: str
  edges: tuple[float, ...]

  @property
  def tokens(self) -> tuple[str, ...]:
    """The tokens in the order of the buckets; the last is for no number."""
    names = [*range(len(self.edges) + 1), MISSING]
    return tuple(f'<{self.name}_{name}>' for name in names)

  def bucket(self, values: np.ndarray) -> np.ndarray:
    """Returns the place of each number's token in `tokens`.

    Args:
      values: of any shape; NaN where there is no number.

    Returns:
      int32 of the same shape.
    """
    values = np.asarray(values, np.float32)
    edges = np.asarray(self.edges, np.float32)
    found = np.searchsorted(edges, values, side='right')
    missing = len(self.edges) + 1
    return np.where(np.isnan(values), missing, found).astype(np.int32)


def fit(
    features: Sequence[NumericFeature], histories: Histories, split: Split
) -> tuple[Buckets, ...]:
  """Finds each feature's buckets from the training windows.

  Args:
    features: which numbers, and into how many buckets.
    histories: of the catalog.
    split: says which interactions are in training windows.

  Returns:
    One for each feature, in their order.

  Raises:
    InputError: a name comes twice or is no number of an interaction; no
      interaction of a training window has that number.
  """
  names = [feature.name for feature in features]
  if len(set(names)) < len(names):
    raise InputError(
        'A numeric feature comes twice.',
        where=f'numeric_features: {", ".join(names)}',
        expected='each name once',
        fix='Remove one of the two.',
    )
  mask = split.train_mask(histories)
  return tuple(
      Buckets(f.name, _edges(f, values(f.name, histories, split)[mask]))
      for f in features
  )


def values(name: str, histories: Histories, split: Split) -> np.ndarray:
  """Returns a feature's number of every interaction.

  Args:
    name: see `NumericFeature.name`.
    histories: of the catalog.
    split: `hours_since` counts to the end of its training windows.

  Returns:
    float32 [num_interactions], NaN where missing.

  Raises:
    InputError: there is no such number.
  """
  if name == HOURS_SINCE:
    times = histories.times
    # A user without a training window has no interaction in one either.
    last = times[np.maximum(split.train_end - 1, 0)]
    seconds = np.repeat(last, histories.lengths) - times
    return (seconds / _SECONDS_PER_HOUR).astype(np.float32)
  columns = {'rating': histories.ratings, 'reward': histories.rewards}
  if name not in columns:
    raise InputError(
        f'Interactions have no number {name!r}.',
        where='numeric_features',
        expected=f'one of {", ".join([*columns, HOURS_SINCE])}',
        fix='Correct the name.',
    )
  return columns[name]


def _edges(feature: NumericFeature, numbers: np.ndarray) -> tuple[float, ...]:
  numbers = numbers[~np.isnan(numbers)]
  if not numbers.size:
    raise InputError(
        f'No interaction of a training window has a {feature.name}.',
        where='numeric_features',
        expected='numbers to make buckets of',
        fix=f'Leave {feature.name} out.',
    )
  shares = np.arange(1, feature.num_buckets) / feature.num_buckets
  # Of the values themselves, so that equal ones never fall apart.
  edges = np.unique(np.quantile(numbers, shares, method='higher'))
  # Nothing lies below the smallest value.
  edges = edges[edges > numbers.min()]
  return tuple(float(edge) for edge in edges)


def save(directory: str | os.PathLike[str], buckets: Sequence[Buckets]) -> None:
  """Writes the edges of all features into a vocabulary's folder."""
  named = {b.name: {'edges': list(b.edges)} for b in buckets}
  with atomic.write_file(pathlib.Path(directory) / FILE_NAME) as temporary:
    temporary.write_text(json.dumps(named, indent=2) + '\n', 'utf-8')


def load(directory: str | os.PathLike[str]) -> Mapping[str, Buckets]:
  """Reads what `save` wrote; a vocabulary without numbers has none.

  Raises:
    InputError: the file is not one that `save` wrote.
  """
  path = pathlib.Path(directory) / FILE_NAME
  if not path.is_file():
    return {}
  try:
    named = json.loads(path.read_text('utf-8'))
    return {
        name: Buckets(name, tuple(float(edge) for edge in value['edges']))
        for name, value in named.items()
    }
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise InputError(
        f'The buckets of numeric features cannot be read: {error!r}.',
        where=path,
        expected='the JSON object that the stage vocabulary writes',
        fix='Delete the folder and run the stage vocabulary again.',
    ) from error
