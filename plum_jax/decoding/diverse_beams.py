# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Groups of beams that avoid the codes of earlier groups (arXiv 1610.02424)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from plum_jax.decoding.candidates import Candidates


def choose(
    similarity: jax.Array,
    candidates: Candidates,
    width: int,
    num_groups: int,
    penalty: float,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Lets groups choose children one after the other.

  Args:
    similarity: float32 [batch, beam, beam], at how many levels two beams have
      the same code.
    candidates: the beams' children.
    width: how many to choose in all.
    num_groups: among how many groups.
    penalty: taken from a child's score for each code that it shares with a
      child chosen by an earlier group.

  Returns:
    See `strategies.Chooser.choose`; the children of the first group first.
  """
  scores = candidates.flat(candidates.scores)
  tokens = candidates.flat(candidates.token_ids)
  batch_size, num_beams = similarity.shape[:2]
  shared = jnp.zeros_like(candidates.scores)
  positions, kept_scores = [], []
  for size in _group_sizes(width, num_groups):
    found, chosen = jax.lax.top_k(
        scores - penalty * candidates.flat(shared), size
    )
    positions.append(chosen)
    # What an earlier group has taken scores -inf by now.
    kept_scores.append(jnp.take_along_axis(scores, chosen, axis=1))
    is_child = (found > -jnp.inf).astype(jnp.float32)
    parents = chosen // candidates.num_branches
    chosen_tokens = jnp.take_along_axis(tokens, chosen, axis=1)
    # Codes in common with the group: those of the parents, and the last one.
    rows = jnp.broadcast_to(parents[:, None, :], (batch_size, num_beams, size))
    of_parents = jnp.take_along_axis(similarity, rows, axis=2)
    of_parents = jnp.sum(of_parents * is_child[:, None, :], axis=2)
    same = candidates.token_ids[..., None] == chosen_tokens[:, None, None, :]
    of_tokens = jnp.sum(same * is_child[:, None, None, :], axis=3)
    shared = shared + of_parents[:, :, None] + of_tokens
    taken = jnp.any(
        jnp.arange(scores.shape[1])[None, :, None] == chosen[:, None, :], axis=2
    )
    scores = jnp.where(taken, -jnp.inf, scores)
  chosen = jnp.concatenate(positions, axis=1)
  return (
      jnp.concatenate(kept_scores, axis=1),
      chosen,
      _similarity(similarity, candidates, chosen),
  )


def _group_sizes(width: int, num_groups: int) -> list[int]:
  """Divides `width` beams among groups, greater groups first.

  >>> _group_sizes(5, 3), _group_sizes(2, 3)
  ([2, 2, 1], [1, 1])
  """
  small, greater = divmod(width, num_groups)
  sizes = [small + (group < greater) for group in range(num_groups)]
  return [size for size in sizes if size]


def _similarity(
    similarity: jax.Array, candidates: Candidates, chosen: jax.Array
) -> jax.Array:
  """Counts codes in common of children at [batch, width]."""
  parents = chosen // candidates.num_branches
  rows = jnp.take_along_axis(similarity, parents[:, :, None], axis=1)
  pairs = jnp.take_along_axis(rows, parents[:, None, :], axis=2)
  tokens = candidates.take(candidates.token_ids, chosen)
  return pairs + (tokens[:, :, None] == tokens[:, None, :])
