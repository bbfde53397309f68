# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The children among which a search chooses."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Candidates:
  """The children of all beams of a level.

  Attributes:
    scores: float32 [batch, beam, branch], log-probability of the prefix that
      ends with each child; -inf where there is no child, or it must not be
      kept. Never NaN.
    gained: float32 [batch, beam, branch], the last token's part of `scores`.
    token_ids: int32 [batch, beam, branch], the last token.
  """

  scores: jax.Array
  gained: jax.Array
  token_ids: jax.Array

  @property
  def num_branches(self) -> int:
    """Children that a beam has room for."""
    return self.scores.shape[2]

  def flat(self, values: jax.Array) -> jax.Array:
    """Makes [batch, beam, branch] to [batch, beam * branch]."""
    return values.reshape(values.shape[0], -1)

  def take(self, values: jax.Array, positions: jax.Array) -> jax.Array:
    """Takes of [batch, beam, branch] what stands at [batch, width]."""
    return jnp.take_along_axis(self.flat(values), positions, axis=1)
