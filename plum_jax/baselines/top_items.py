# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The best items of a scored catalog."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.evaluation.protocols import NO_ITEM
from plum_jax.evaluation.protocols import Recommendations


@functools.partial(jax.jit, static_argnames=('k', 'exclude_history'))
def _top(scores, history_item_ids, k, exclude_history):
  num_items = scores.shape[1]
  if exclude_history:
    rows = jnp.arange(scores.shape[0])[:, None]
    # Padding goes beyond the last column, where it is dropped; a negative
    # number would count from the end.
    columns = jnp.where(history_item_ids < 0, num_items, history_item_ids)
    scores = scores.at[rows, columns].set(-jnp.inf, mode='drop')
  best, item_ids = jax.lax.top_k(scores, min(k, num_items))
  missing = ((0, 0), (0, k - best.shape[1]))
  best = jnp.pad(best, missing, constant_values=-jnp.inf)
  valid = best > -jnp.inf
  item_ids = jnp.pad(item_ids, missing, constant_values=NO_ITEM)
  return jnp.where(valid, item_ids, NO_ITEM).astype(jnp.int32), best, valid


def top_items(
    scores: jax.Array | np.ndarray,
    history_item_ids: jax.Array | np.ndarray,
    k: int,
    exclude_history: bool,
) -> Recommendations:
  """Takes the `k` best items of each row.

  Of items with equal scores the one with the lower number comes first.

  Args:
    scores: float32 [batch, num_items]; -inf for what must not be recommended.
    history_item_ids: int32 [batch, history_length], padded with -1.
    k: number of items; where fewer are left, the rest is not valid.
    exclude_history: whether items of the history are left out.

  Returns:
    The recommendations, arrays on the device.

  >>> best = top_items(
  ...     np.array([[0.1, 0.9, 0.5]], np.float32), np.array([[-1, 1]]), 3, True
  ... )
  >>> best.item_ids.tolist(), best.valid.tolist()
  ([[2, 0, -1]], [[True, True, False]])
  """
  scores = jnp.asarray(scores, jnp.float32)
  return Recommendations(
      *_top(scores, jnp.asarray(history_item_ids), k, bool(exclude_history))
  )
