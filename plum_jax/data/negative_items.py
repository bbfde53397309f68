# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Items that a user has nothing to do with, drawn in the graph.

Each item has a weight, and lies on a line as a stretch of that length. Cutting
the stretches of a user's own items out of the line leaves the others side by
side; a number drawn from what is left is moved back to where it lies on the
whole line, by binary search. So no draw is rejected and nothing is computed for
all items.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.artifacts.errors import InputError

UNIFORM, POPULARITY = 'uniform', 'popularity'
SAMPLINGS = (UNIFORM, POPULARITY)


class NegativeItems:
  """Draws items in proportion to weights, without those of a user."""

  def __init__(self, counts: np.ndarray, sampling: str):
    """Lays the items on a line.

    Args:
      counts: integers [num_items], how often each item occurs in training
        windows. Those that do not are never drawn: training does not know
        them.
      sampling: `uniform` or `popularity`, which is in proportion to counts.

    Raises:
      InputError: there is no such sampling, or no item occurs.
    """
    if sampling not in SAMPLINGS:
      raise InputError(
          f'There is no sampling of negatives {sampling!r}.',
          where='the option negatives of the task',
          expected=f'one of {", ".join(SAMPLINGS)}',
          fix='Correct the value.',
      )
    self.sampling = sampling
    weights = np.asarray(counts, np.int64)
    if sampling == UNIFORM:
      weights = (weights > 0).astype(np.int64)
    if not weights.any():
      raise InputError(
          'No item occurs in a training window.',
          where='negatives',
          expected='interactions to train on',
          fix='Split the histories in another way.',
      )
    with tf.init_scope():
      self._weights = tf.constant(weights)
      self._ends = tf.cumsum(self._weights)

  def describe(self) -> dict[str, Any]:
    """Returns JSON values for the description of a task."""
    return {'sampling': self.sampling}

  def draw(
      self, own_items: tf.Tensor, shape: tf.Tensor | list[Any], seed: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws items, with replacement.

    Args:
      own_items: int32 [n], what may not be drawn, in any order.
      shape: of what is returned.
      seed: int32 [2].

    Returns:
      int32 of that shape; and whether there is anything to draw, bool. If not,
      the items mean nothing.
    """
    own = tf.sort(tf.unique(own_items).y)
    lengths = tf.gather(self._weights, own)
    # Where the line goes on after each cut, on what is left of it.
    cuts = tf.gather(self._ends, own) - tf.cumsum(lengths)
    left = self._ends[-1] - tf.reduce_sum(lengths)
    drawn = tf.random.stateless_uniform(
        shape, seed, 0, tf.maximum(left, 1), tf.int64
    )
    flat = tf.reshape(drawn, [-1])
    before = tf.searchsorted(cuts, flat, side='right')
    moved = flat + tf.gather(tf.pad(tf.cumsum(lengths), [[1, 0]]), before)
    items = tf.searchsorted(self._ends, moved, side='right')
    return tf.reshape(items, shape), left > 0

  def draw_distinct(
      self,
      own_items: tf.Tensor,
      num_rows: tf.Tensor,
      num_items: int,
      seed: tf.Tensor,
  ) -> tf.RaggedTensor:
    """Draws items for several rows, none twice in a row.

    Drawing with replacement and keeping what is new is drawing one after the
    other without replacement. A row has fewer items where the draws, twice as
    many and 16 more, do not hold enough different ones: in small catalogs, or
    with a few very popular items.

    Args:
      own_items: int32 [n], what may not be drawn.
      num_rows: how many rows.
      num_items: the most items of a row.
      seed: int32 [2].

    Returns:
      int32 [num_rows, (items)].
    """
    num_draws = 2 * num_items + 16
    drawn, any_left = self.draw(own_items, [num_rows, num_draws], seed)
    earlier = np.tri(num_draws, k=-1, dtype=bool)
    repeated = tf.reduce_any(
        (drawn[:, :, None] == drawn[:, None, :]) & earlier, axis=2
    )
    new = ~repeated & any_left
    new &= tf.cumsum(tf.cast(new, tf.int32), axis=1) <= num_items
    return tf.ragged.boolean_mask(drawn, new)
