# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows for tokens that a checkpoint does not know.

A public model has rows for text alone. SID tokens, custom tokens and padding
come after these in the vocabulary; their rows are made here. Text rows stay as
they are, to the bit.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained.item_text import ItemText

MEAN_NOISE, ITEM_TEXT = 'mean_noise', 'item_text'
INITIALIZERS = (MEAN_NOISE, ITEM_TEXT)


class NewRows(Protocol):
  """Makes the rows that follow the text rows of a table."""

  def __call__(
      self, text_rows: np.ndarray, num_rows: int, seed: int
  ) -> np.ndarray:
    """Makes rows.

    Args:
      text_rows: float32 [num_text, width], of the embedding or the output
        layer.
      num_rows: how many to make.
      seed: of what is random; another for each table.

    Returns:
      float32 [num_rows, width].
    """
    ...


@dataclasses.dataclass(frozen=True)
class MeanNoise:
  """The mean of the text rows, and noise of their spread: our choice.

  Each coordinate is normal with the text rows' mean, and their standard
  deviation times `noise_scale`; at 1 a new row looks like that of any word.

  Attributes:
    noise_scale: see above.

  >>> text_rows = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
  >>> MeanNoise(noise_scale=0.0)(text_rows, 1, seed=0)
  array([[2., 5.]], dtype=float32)
  """

  noise_scale: float = 1.0

  def __call__(
      self, text_rows: np.ndarray, num_rows: int, seed: int
  ) -> np.ndarray:
    """Makes rows; see `NewRows`."""
    mean = text_rows.mean(axis=0, dtype=np.float64)
    std = text_rows.std(axis=0, dtype=np.float64) * self.noise_scale
    width = text_rows.shape[1]
    noise = np.random.default_rng(seed).standard_normal((num_rows, width))
    return (mean[None, :] + noise * std[None, :]).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class FromItemText:
  """A code's row is the mean of the titles of the items that carry it.

  What no title speaks for (codes that no item has, custom tokens, padding) is
  made by `otherwise`. Our choice.

  Attributes:
    item_text: the items' titles and codes.
    first_id: the id of code 0 of level 1.
    otherwise: makes the other rows.
  """

  item_text: ItemText
  first_id: int
  otherwise: MeanNoise = MeanNoise()

  def __call__(
      self, text_rows: np.ndarray, num_rows: int, seed: int
  ) -> np.ndarray:
    """Makes rows; see `NewRows`."""
    rows = self.otherwise(text_rows, num_rows, seed)
    means, known = self.item_text.code_means(text_rows)
    start = self.first_id - len(text_rows)
    rows[start : start + len(means)][known] = means[known]
    return rows


def grow(
    table: np.ndarray, num_kept: int, num_rows: int, make: NewRows, seed: int
) -> np.ndarray:
  """Keeps the first rows of a table and makes new ones after them.

  Args:
    table: float [old_rows, width].
    num_kept: how many rows stay; the rest, a model's padding, is dropped.
    num_rows: rows of the new table.
    make: makes the rows after `num_kept`.
    seed: of what is random.

  Returns:
    [num_rows, width], dtype of `table`.

  >>> table = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]], np.float32)
  >>> grow(table, 2, 4, MeanNoise(0.0), seed=0).tolist()
  [[1.0, 2.0], [3.0, 4.0], [2.0, 3.0], [2.0, 3.0]]
  """
  text_rows = np.asarray(table[:num_kept])
  new = make(
      text_rows.astype(np.float32, copy=False), num_rows - num_kept, seed
  )
  return np.concatenate([text_rows, new.astype(table.dtype)])


def unknown_initializer(name: str) -> InputError:
  """Says that there is no such way to make rows."""
  return InputError(
      f'There is no way {name!r} to make rows of SID tokens.',
      where='INITIAL_SID_ROWS',
      expected=f'one of auto, keep, {", ".join(INITIALIZERS)}',
      fix='Correct the name.',
  )
