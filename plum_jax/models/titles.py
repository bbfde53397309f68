# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Generating titles of items, and no other text."""

from __future__ import annotations

from typing import Any

import jax

from plum_jax.decoding.title_search import title_search
from plum_jax.decoding.title_search import TitleSearchResult
from plum_jax.decoding.title_trie import TitleTrie
from plum_jax.models import generation


def recommend_titles(
    model: generation.Continuing,
    params: Any,
    batch: generation.Batch,
    trie: TitleTrie,
    beam_size: int,
    excluded_item_ids: jax.Array | None = None,
) -> TitleSearchResult:
  """Generates the most probable titles after each prompt.

  Args:
    model: the generator.
    params: its parameters.
    batch: what the model's `prefill` takes; prompts that end where a title
      follows.
    trie: the titles, in tokens of the model's vocabulary.
    beam_size: see `decoding.title_search`.
    excluded_item_ids: see `decoding.title_search`.

  Returns:
    The items of these titles.
  """
  prompt = model.prefill(params, batch)
  continuation = model.continuation(params, prompt)
  return title_search(
      continuation.logits[:, 0],
      # The end of a title is never fed back.
      continuation.empty_state(trie.num_levels - 1),
      continuation.step,
      trie,
      beam_size,
      excluded_item_ids,
  )
