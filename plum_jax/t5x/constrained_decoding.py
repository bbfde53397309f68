# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Constrained beam search with the signature of T5X's decoding functions.

T5X's own `beam_search` cannot be told which tokens may follow. This one extends
beams by tokens that lead to an item, and by no others. It serves T5X's networks
as well as this project's: of the network it knows the cache alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import os
from typing import Any

from flax import traverse_util
import jax
import jax.numpy as jnp
from t5x import decoding

from plum_jax.decoding.beam_search import beam_search
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.constraint_index import item_tokens
from plum_jax.models import generation
from plum_jax.stages import generator
from plum_jax.stages.run_directory import RunDirectory

Cache = Any
# Of T5X's networks: position biases of the whole length, the same in all rows.
_BIAS = 'cached_bias'


@dataclasses.dataclass(frozen=True)
class ConstrainedBeamSearch:
  """A `decode_fn` of T5X's models.

  Attributes:
    index: the valid SIDs.
  """

  index: ConstraintIndex

  @property
  def num_levels(self) -> int:
    """Tokens of a SID."""
    return self.index.num_levels

  def __call__(
      self,
      *,
      inputs: jax.Array,
      cache: Mapping[str, Any],
      tokens_to_logits: Callable[..., tuple[jax.Array, Cache]],
      eos_id: int,
      num_decodes: int,
      decode_rng: jax.Array | None = None,
      cache_offset: int = 0,
      initial_index: jax.Array | None = None,
      excluded_item_ids: jax.Array | None = None,
  ) -> tuple[jax.Array, jax.Array]:
    """Searches; see `t5x.models.DecodeFnCallable`.

    Args:
      inputs: int32 [batch, length], 0 and then the prompt, if any.
      cache: the network's cache, one row a prompt.
      tokens_to_logits: the network's step.
      eos_id: unused: a SID has a fixed number of tokens.
      num_decodes: beams.
      decode_rng: unused: nothing is drawn.
      cache_offset: T5X's, for caches of scanned layers: 0 here.
      initial_index: int32 [batch], the prompts' lengths, whose last token the
        cache does not hold; None without prompts.
      excluded_item_ids: int32 [batch, n], items that must not be returned,
        padded with -1.

    Returns:
      Tokens int32 [batch, num_decodes, length], the SIDs after the prompts and
      0 elsewhere, best last, and scores float32 [batch, num_decodes]; -inf and
      0s where there are fewer items.

    Raises:
      ValueError: a SID does not fit the length, or layers are scanned.
    """
    del eos_id, decode_rng
    if cache_offset:
      raise ValueError('Caches of scanned layers are not supported.')
    batch_size, length = inputs.shape
    if length < self.num_levels:
      raise ValueError(
          f'A decoder of {length} tokens has no room for a Semantic ID of '
          f"{self.num_levels}: raise TASK_FEATURE_LENGTHS['targets']."
      )
    start = initial_index
    if start is None:
      start = jnp.zeros(batch_size, jnp.int32)
    biases, cache = _split(cache)

    def step(token_ids, cache):
      """One token of all `num_decodes` beams."""
      logits, cache = tokens_to_logits(
          decoding.DecodingState(
              cur_index=None,
              sequences=None,
              cur_token=token_ids.reshape(-1, 1),
              cache=_join(biases, generation.to_rows(cache)),
          )
      )
      cache = _split(cache)[1]
      log_probs = generation.log_probs(logits[:, None], batch_size)
      return log_probs, generation.to_beams(cache, batch_size)

    def narrow_step(token_ids, cache):
      # Levels of few nodes have fewer beams than the encoder's output has rows.
      width = token_ids.shape[1]
      found = step(*_take((token_ids, cache), num_decodes))
      return _take(found, width)

    first_ids = jnp.take_along_axis(inputs, start[:, None], axis=1)
    one_beam = generation.to_beams(cache, batch_size)
    first_log_probs, state = narrow_step(first_ids, one_beam)
    found = beam_search(
        first_log_probs[:, 0],
        state,
        narrow_step,
        self.index,
        num_decodes,
        excluded_item_ids,
    )
    tokens = item_tokens(self.index, found.item_ids)
    return _place(tokens, start, length)[:, ::-1], found.scores[:, ::-1]


def _split(cache: Mapping[str, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
  """Parts position biases, which T5X's networks keep, from rows' own arrays."""
  flat = traverse_util.flatten_dict(dict(cache))
  biases = {path: leaf for path, leaf in flat.items() if path[-1] == _BIAS}
  return biases, {k: leaf for k, leaf in flat.items() if k not in biases}


def _join(*parts: Mapping[Any, Any]) -> dict[str, Any]:
  flat = {path: leaf for part in parts for path, leaf in part.items()}
  return traverse_util.unflatten_dict(flat)


def _take(tree: Any, width: int) -> Any:
  """Brings leaves [batch, beam, ...] to `width` beams; repeats the last."""

  def take(leaf):
    if leaf.ndim < 2:
      return leaf
    return leaf[:, jnp.minimum(jnp.arange(width), leaf.shape[1] - 1)]

  return jax.tree.map(take, tree)


def _place(tokens: jax.Array, start: jax.Array, length: int) -> jax.Array:
  """Puts SIDs after prompts: [batch, beam, level] to [batch, beam, length]."""
  level = jnp.arange(length)[None, :] - start[:, None]
  inside = (level >= 0) & (level < tokens.shape[2])
  source = jnp.clip(level, 0, tokens.shape[2] - 1)
  placed = jnp.take_along_axis(tokens, source[:, None, :], axis=2)
  return jnp.where(inside[:, None, :], placed, 0)


def for_run(run_dir: str | os.PathLike[str]) -> ConstrainedBeamSearch:
  """Makes the search over a run's items.

  Args:
    run_dir: the run directory, with `semantic_ids/` and `vocabulary/`.

  Returns:
    The search.

  Raises:
    InputError: an artifact is missing.
  """
  return ConstrainedBeamSearch(generator.load_index(RunDirectory(run_dir)))
