# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained generator as a recommender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import numpy as np

from plum_jax.decoding.beam_search import BeamSearchResult
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.evaluation.protocols import Recommendations
from plum_jax.sharding.mesh import batch_sharding
from plum_jax.sharding.mesh import replicated

_HISTORY = 'history_item_ids'


class Generator(Protocol):
  """A model that generates items: both of `plum_jax.models` are."""

  def recommend(
      self,
      params: Any,
      batch: Mapping[str, Any],
      index: ConstraintIndex,
      beam_size: int,
      excluded_item_ids: jax.Array | None = None,
  ) -> BeamSearchResult:
    """Generates the most probable items after each prompt."""
    ...


class GenerativeRecommender:
  """Constrained beam search; see `evaluation.protocols.Recommender`.

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
      mesh: jax.sharding.Mesh | None = None,
  ):
    """Prepares the search; nothing is compiled yet.

    Args:
      model: the generator.
      params: its parameters.
      index: the valid SIDs.
      beam_size: beams of the search. More are used if more items are asked for.
      mesh: devices over which the users of a batch are spread; parameters
        and index are whole on each. None uses one device.
    """
    self._beam_size = beam_size
    self._mesh = mesh
    if mesh is not None:
      params, index = jax.device_put((params, index), replicated(mesh))
    self._params, self._index = params, index

    def search(params, features, index, excluded, beam_size, k):
      result = model.recommend(
          params, features, index, beam_size, excluded_item_ids=excluded
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
      The items. Without `exclude_history` a beam_size of at least k finds k
      items unless the catalog has fewer.
    """
    features = {name: x for name, x in batch.items() if name != _HISTORY}
    excluded = batch[_HISTORY] if exclude_history else None
    if self._mesh is not None:
      features, excluded = jax.device_put(
          (features, excluded), batch_sharding(self._mesh)
      )
    result = self._search(
        self._params,
        features,
        self._index,
        excluded,
        beam_size=max(self._beam_size, k),
        k=k,
    )
    return Recommendations(result.item_ids, result.scores, result.valid)
