# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommending by constrained search, the same for both kinds of model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from plum_jax.decoding.beam_search import BeamSearchResult
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import Strategy
from plum_jax.models import generation

Batch = Mapping[str, Any]


class ItemSearch:
  """What a model whose prompts are computed once a user gains by it."""

  def search(
      self: generation.Continuing,
      params: Any,
      prompt: generation.Prompt,
      index: ConstraintIndex,
      beam_size: int,
      excluded_item_ids: jax.Array | None = None,
      strategy: Strategy = BEAM_SEARCH,
      user_seeds: jax.Array | None = None,
  ) -> BeamSearchResult:
    """Generates the most probable items after prompts that were computed.

    Args:
      params: the collection `params`.
      prompt: what `prefill` returned.
      index: the valid SIDs.
      beam_size: see `decoding.beam_search`.
      excluded_item_ids: see `decoding.beam_search`.
      strategy: see `decoding.beam_search`.
      user_seeds: see `decoding.beam_search`.

    Returns:
      The items.
    """
    return generation.search(
        self.continuation(params, prompt),
        index,
        beam_size,
        excluded_item_ids,
        strategy,
        user_seeds,
    )

  def recommend(
      self: generation.Continuing,
      params: Any,
      batch: Batch,
      index: ConstraintIndex,
      beam_size: int,
      excluded_item_ids: jax.Array | None = None,
      strategy: Strategy = BEAM_SEARCH,
      user_seeds: jax.Array | None = None,
  ) -> BeamSearchResult:
    """Generates the most probable items after each prompt.

    The prompt (or the encoder, and the projections of its output) runs through
    the network once a user; its keys and values are shared by the user's beams.

    Args:
      params: the collection `params`.
      batch: see `prefill`.
      index: the valid SIDs.
      beam_size: see `decoding.beam_search`.
      excluded_item_ids: see `decoding.beam_search`.
      strategy: see `decoding.beam_search`.
      user_seeds: see `decoding.beam_search`.

    Returns:
      The items.
    """
    prompt = self.prefill(params, batch)
    return generation.search(
        self.continuation(params, prompt),
        index,
        beam_size,
        excluded_item_ids,
        strategy,
        user_seeds,
    )
