# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What both models share in decoding: caches, rows, beams and the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from plum_jax.decoding.beam_search import beam_search
from plum_jax.decoding.beam_search import BeamSearchResult
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import Strategy

Batch = Mapping[str, Any]
Cache = Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Prompt:
  """What the beams of each user share.

  Attributes:
    logits: float32 [batch, 1, vocab], of the first SID token.
    cache: keys and values, what networks take as the collection
      `prefix_cache`.
    mask: bool [batch, prompt_length], true for real tokens.
  """

  logits: jax.Array
  cache: Cache
  mask: jax.Array


@dataclasses.dataclass(frozen=True)
class Continuation:
  """A network that goes on from prompts, a token a row at a time.

  Attributes:
    logits: float32 [batch, 1, vocab], of the first token.
    make_cache: given tokens [batch, length], returns an empty cache with room
      for as many; never run, only traced for its shapes.
    next_logits: given tokens [batch * beam, 1] and the rows' cache, returns the
      logits after them, [batch * beam, 1, vocab], and the cache with them.
  """

  logits: jax.Array
  make_cache: Callable[[jax.Array], Cache]
  next_logits: Callable[[jax.Array, Cache], tuple[jax.Array, Cache]]

  @property
  def num_users(self) -> int:
    """The batch size."""
    return self.logits.shape[0]

  def empty_state(self, length: int) -> Cache:
    """Returns the state of one beam a user, with room for so many tokens."""
    room = jnp.zeros((self.num_users, max(length, 1)), jnp.int32)
    return empty_state(lambda: self.make_cache(room))

  def step(self, token_ids: jax.Array, state: Cache) -> tuple[jax.Array, Cache]:
    """Feeds a token to each beam.

    Args:
      token_ids: int32 [batch, beam].
      state: of as many beams.

    Returns:
      Logits float32 [batch, beam, vocab] of the tokens after them, and the new
      state.
    """
    logits, cache = self.next_logits(token_ids.reshape(-1, 1), to_rows(state))
    logits = logits.reshape(self.num_users, -1, logits.shape[-1])
    return logits, to_beams(cache, self.num_users)


class Continuing(Protocol):
  """A model whose prompts are computed once a user."""

  def prefill(self, params: Any, batch: Batch) -> Prompt:
    """Runs prompts through the network."""
    ...

  def continuation(self, params: Any, prompt: Prompt) -> Continuation:
    """Goes on from what `prefill` returned."""
    ...


def right_align(
    token_ids: jax.Array, lengths: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Puts a beginning-of-sequence token before prompts and moves them right.

  Aligned to the right, the next token has the same position in every row.

  Args:
    token_ids: int32 [batch, length], prompts from the left, any padding.
    lengths: int32 [batch], real tokens of each prompt.

  Returns:
    int32 [batch, length + 1], with 0 (T5's start token, too) as padding and
    start; and bool [batch, length + 1], true from the start token on.

  >>> tokens, mask = right_align(jnp.array([[7, 8, 0]]), jnp.array([2]))
  >>> tokens.tolist(), mask.astype(int).tolist()
  ([[0, 0, 7, 8]], [[0, 1, 1, 1]])
  """
  token_ids = jnp.pad(token_ids, ((0, 0), (1, 0)))
  length = token_ids.shape[1]
  source = jnp.arange(length)[None, :] - (length - 1 - lengths)[:, None]
  mask = source >= 0
  aligned = jnp.take_along_axis(token_ids, jnp.maximum(source, 0), axis=1)
  return jnp.where(mask, aligned, 0), mask


def empty_state(make_cache: Callable[[], Cache]) -> Cache:
  """Makes the beams' empty cache without running the network.

  Args:
    make_cache: returns the collection `cache` for one row a user.

  Returns:
    Zeros with a beam dimension of 1 after the batch dimension; scalars as they
    are.
  """
  shapes = jax.eval_shape(make_cache)
  return jax.tree.map(
      lambda leaf: jnp.zeros(
          leaf.shape if leaf.ndim == 0 else (leaf.shape[0], 1, *leaf.shape[1:]),
          leaf.dtype,
      ),
      shapes,
  )


def to_rows(state: Cache) -> Cache:
  """Folds [batch, beam, ...] to [batch * beam, ...]."""
  return jax.tree.map(
      lambda leaf: leaf
      if leaf.ndim == 0
      else leaf.reshape(-1, *leaf.shape[2:]),
      state,
  )


def to_beams(cache: Cache, num_users: int) -> Cache:
  """Unfolds [batch * beam, ...] to [batch, beam, ...]."""
  return jax.tree.map(
      lambda leaf: (
          leaf
          if leaf.ndim == 0
          else leaf.reshape(num_users, -1, *leaf.shape[1:])
      ),
      cache,
  )


def log_probs(logits: jax.Array, num_users: int) -> jax.Array:
  """Turns [rows, 1, vocab] into log-probabilities [batch, beam, vocab]."""
  values = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
  return values.reshape(num_users, -1, logits.shape[-1])


def search(
    continuation: Continuation,
    index: ConstraintIndex,
    beam_size: int,
    excluded_item_ids: jax.Array | None = None,
    strategy: Strategy = BEAM_SEARCH,
    user_seeds: jax.Array | None = None,
    allowed_item_ids: jax.Array | None = None,
) -> BeamSearchResult:
  """Runs the search over a network.

  Args:
    continuation: the network, after prompts.
    index: the valid SIDs.
    beam_size: see `decoding.beam_search`.
    excluded_item_ids: see `decoding.beam_search`.
    strategy: see `decoding.beam_search`.
    user_seeds: see `decoding.beam_search`.
    allowed_item_ids: see `decoding.beam_search`.

  Returns:
    The items.
  """
  num_users = continuation.num_users

  def step(token_ids, state):
    logits, state = continuation.step(token_ids, state)
    return log_probs(logits, num_users), state

  return beam_search(
      log_probs(continuation.logits, num_users)[:, 0],
      # The last token of a SID is never fed back.
      continuation.empty_state(index.num_levels - 1),
      step,
      index,
      beam_size,
      excluded_item_ids,
      strategy,
      user_seeds,
      allowed_item_ids,
  )
