# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained generator that writes titles, as a recommender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from plum_jax.decoding.title_trie import TitleTrie
from plum_jax.evaluation.protocols import Recommendations
from plum_jax.models import titles
from plum_jax.models.generation import Continuing
from plum_jax.sharding.mesh import batch_sharding
from plum_jax.sharding.mesh import replicated

_HISTORY = 'history_item_ids'


class TitleRecommender:
  """Search over titles; see `evaluation.protocols.Recommender`.

  A title that several items share gives them all, in the order of their
  numbers, with one score. Items of the history are left out inside of the
  search, so that k others come back.
  """

  def __init__(
      self,
      model: Continuing,
      params: Any,
      trie: TitleTrie,
      *,
      beam_size: int,
      mesh: jax.sharding.Mesh | None = None,
  ):
    """Prepares the search; nothing is compiled yet.

    Args:
      model: the generator, for prompts that end where a title follows.
      params: its parameters.
      trie: the titles.
      beam_size: titles kept; more if more items are asked for.
      mesh: devices over which the users of a batch are spread; parameters and
        trie are whole on each. None uses one device.
    """
    self._beam_size = beam_size
    self._mesh = mesh
    if mesh is not None:
      params, trie = jax.device_put((params, trie), replicated(mesh))
    self._params, self._trie = params, trie

    def search(params, features, trie, excluded, beam_size, k):
      result = titles.recommend_titles(
          model, params, features, trie, beam_size, excluded_item_ids=excluded
      )
      return jax.tree.map(lambda leaf: leaf[:, :k], result)

    self._search = jax.jit(search, static_argnames=('beam_size', 'k'))

  def recommend(
      self, batch: Mapping[str, np.ndarray], k: int, exclude_history: bool
  ) -> Recommendations:
    """Recommends; see `Recommender.recommend`.

    Args:
      batch: `history_item_ids`, and the features that the model's `prefill`
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
        self._trie,
        history if exclude_history else None,
        beam_size=max(self._beam_size, k),
        k=k,
    )
    return Recommendations(result.item_ids, result.scores, result.valid)
