# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Matrix factorization: a vector for each user and for each item."""

from __future__ import annotations

import dataclasses
from typing import Any

from flax import linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import history_transformer
from plum_jax.baselines import item_table

# Rows of tables come in multiples of this, so that any usual mesh divides them.
_TABLE_MULTIPLE = 128


@dataclasses.dataclass(frozen=True)
class FactorizationConfig:
  """Sizes of the model.

  Attributes:
    num_users: users of the catalog.
    num_items: items of the catalog.
    embed_size: width of the vectors.
    user_bias: whether users have a bias too. It makes no difference to the
      order of items.
  """

  num_users: int
  num_items: int
  embed_size: int = 64
  user_bias: bool = False

  def __post_init__(self):
    if min(self.num_users, self.num_items, self.embed_size) < 1:
      raise InputError(
          'A size of the model is not positive.',
          where='FactorizationConfig',
          expected='num_users, num_items and embed_size of at least 1',
          fix=f'Correct {self}.',
      )


class Factorization(history_transformer.Parameters):
  """Scores an item for a user: b_u + b_i + p_u · q_i.

  All tables are cut by rows over the mesh, those of users as those of items.
  """

  config: FactorizationConfig

  @nn.compact
  def __call__(
      self, user: jax.Array, item_ids: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Scores some items for each user.

    Args:
      user: int32 `[batch]`.
      item_ids: int32 `[batch, n]`.

    Returns:
      The scores `[batch, n]`; and `[batch]`, the squared norm of all parameters
      that they were computed from, for regularization.
    """
    config = self.config
    users = self._look_up('user', config.num_users, user[:, None])
    items = self._look_up('item', config.num_items, item_ids)
    scores = jnp.einsum('bne,be->bn', items, users[:, 0])
    norms = jnp.sum(users**2, axis=(1, 2)) + jnp.sum(items**2, axis=(1, 2))
    biases = [self._bias('item', config.num_items, item_ids)]
    if config.user_bias:
      biases.append(self._bias('user', config.num_users, user[:, None]))
    for bias in biases:
      scores = scores + bias
      norms = norms + jnp.sum(bias**2, axis=1)
    return scores, norms

  def _look_up(self, name: str, num_rows: int, rows: jax.Array) -> jax.Array:
    shape = (table_size(num_rows), self.config.embed_size)
    table = self.weight(f'{name}_embedding', shape, item_table.TABLE_AXES)
    return item_table.look_up(table, rows)

  def _bias(self, name: str, num_rows: int, rows: jax.Array) -> jax.Array:
    bias = partitioning.param_with_axes(
        f'{name}_bias',
        nn.initializers.zeros,
        (table_size(num_rows),),
        axes=('item_row',),
    )
    return jnp.take(bias, rows)


def table_size(num_rows: int) -> int:
  """Returns the rows of a table: those that are used, rounded up.

  >>> table_size(5)
  128
  """
  return -(-num_rows // _TABLE_MULTIPLE) * _TABLE_MULTIPLE


def score_catalog(params: Any, user: jax.Array, num_items: int) -> jax.Array:
  """Scores all items for each user, without the users' biases.

  Args:
    params: of `Factorization`.
    user: int32 `[batch]`.
    num_items: items of the catalog.

  Returns:
    `[batch, num_items]`.
  """
  users = jnp.take(params['user_embedding'], user, axis=0)
  scores = jnp.einsum('be,ie->bi', users, params['item_embedding'])
  return (scores + params['item_bias'][None, :])[:, :num_items]


def forget_untrained(
    params: Any, user: np.ndarray, item_ids: np.ndarray
) -> dict[str, np.ndarray]:
  """Sets to zero what no training interaction has taught.

  A new user or a cold-start item then adds nothing to a score, where its random
  vector would add noise.

  Args:
    params: of `Factorization`.
    user: int [n], users of the training interactions.
    item_ids: int [n], their items.

  Returns:
    The parameters.
  """
  seen = {'user': user, 'item': item_ids}
  kept = {}
  for name, value in params.items():
    value = np.array(value)
    untrained = np.ones(len(value), bool)
    untrained[seen[name.partition('_')[0]]] = False
    value[untrained] = 0
    kept[name] = value
  return kept
