# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained generator as a recommender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.decoding.beam_search import BeamSearchResult
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import Strategy
from plum_jax.evaluation.protocols import Recommendations
from plum_jax.sharding.mesh import batch_sharding
from plum_jax.sharding.mesh import replicated

_HISTORY = 'history_item_ids'
# Of a hash of histories; odd, so that no position loses bits.
_HASH_MULTIPLIER = 0x9E3779B1


class Generator(Protocol):
  """A model that generates items: both of `plum_jax.models` are."""

  def recommend(
      self,
      params: Any,
      batch: Mapping[str, Any],
      index: ConstraintIndex,
      beam_size: int,
      excluded_item_ids: jax.Array | None = None,
      strategy: Strategy = BEAM_SEARCH,
      user_seeds: jax.Array | None = None,
  ) -> BeamSearchResult:
    """Generates the most probable items after each prompt."""
    ...


def history_seeds(history_item_ids: jax.Array) -> jax.Array:
  """Gives each user a number that follows from the history alone.

  Users with equal histories have equal seeds, and so the same draws.

  Args:
    history_item_ids: int32 [batch, length], newest last, padded on the left
      with `NO_ITEM`, of which any number makes no difference.

  Returns:
    uint32 [batch].

  >>> history_seeds(jnp.array([[-1, 4, 2], [-1, 2, 4]])).tolist()
  [387276920, 3668339992]
  """
  length = history_item_ids.shape[1]
  # Of a polynomial, modulo 2 ** 32; the newest item's power is 0.
  powers = [pow(_HASH_MULTIPLIER, n, 2**32) for n in reversed(range(length))]
  terms = (history_item_ids + 1).astype(jnp.uint32)
  return jnp.sum(terms * jnp.array(powers, jnp.uint32)[None, :], axis=1)


class GenerativeRecommender:
  """Constrained search; see `evaluation.protocols.Recommender`.

  Items of the history are left out inside of the search, so that k others come
  back.
  """

  def __init__(
      self,
      model: Generator,
      params: Any,
      index: ConstraintIndex,
      *,
      beam_size: int,
      strategy: Strategy = BEAM_SEARCH,
      mesh: jax.sharding.Mesh | None = None,
  ):
    """Prepares the search; nothing is compiled yet.

    Args:
      model: the generator.
      params: its parameters.
      index: the valid SIDs.
      beam_size: beams of the search. More are used if more items are asked for,
        and just as many if the strategy is another than beam search.
      strategy: which prefixes the search keeps.
      mesh: devices over which the users of a batch are spread; parameters
        and index are whole on each. None uses one device.
    """
    self._beam_size = beam_size if strategy.takes_more_beams else 1
    self._mesh = mesh
    if mesh is not None:
      params, index = jax.device_put((params, index), replicated(mesh))
    self._params, self._index = params, index

    def search(params, features, index, excluded, history, beam_size, k):
      seeds = history_seeds(history) if strategy.needs_user_seeds else None
      result = model.recommend(
          params,
          features,
          index,
          beam_size,
          excluded_item_ids=excluded,
          strategy=strategy,
          user_seeds=seeds,
      )
      return jax.tree.map(lambda leaf: leaf[:, :k], result)

    self._search = jax.jit(search, static_argnames=('beam_size', 'k'))

  def with_params(self, params: Any) -> GenerativeRecommender:
    """Returns the same search, compiled once, over other parameters."""
    other = GenerativeRecommender.__new__(GenerativeRecommender)
    vars(other).update(vars(self), _params=params)
    return other

  def recommend(
      self, batch: Mapping[str, np.ndarray], k: int, exclude_history: bool
  ) -> Recommendations:
    """Recommends; see `Recommender.recommend`.

    Args:
      batch: `history_item_ids`, and the features that the model's `recommend`
        reads.
      k: number of items.
      exclude_history: whether items of the history are never recommended.

    Returns:
      The items: k of them, unless fewer may be recommended.
    """
    features = {name: x for name, x in batch.items() if name != _HISTORY}
    history = batch[_HISTORY]
    if self._mesh is not None:
      features, history = jax.device_put(
          (features, history), batch_sharding(self._mesh)
      )
    result = self._search(
        self._params,
        features,
        self._index,
        history if exclude_history else None,
        history,
        beam_size=max(self._beam_size, k),
        k=k,
    )
    return Recommendations(result.item_ids, result.scores, result.valid)
