# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sampling items without replacement, top down over the trie.

Adding independent Gumbel noise to the log-probabilities of all items and taking
the k greatest draws k items without replacement (the Gumbel-top-k trick). The
greatest sum below a prefix is itself the prefix's log-probability with Gumbel
noise; so noise can be drawn for prefixes first, then for their children given
that their greatest is the parent's, and only the k greatest prefixes of a level
can lead to one of the k greatest items (Kool et al., arXiv 1903.06059).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from plum_jax.decoding.candidates import Candidates


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StochasticBeams:
  """What is known of each beam.

  Attributes:
    keys: random keys [batch], one a user.
    log_probs: float32 [batch, beam], of the prefix under the distribution that
      is sampled from.
    perturbed: float32 [batch, beam], the same with Gumbel noise; -inf where no
      prefix stands.
  """

  keys: jax.Array
  log_probs: jax.Array
  perturbed: jax.Array


def start(seed: int, user_seeds: jax.Array) -> StochasticBeams:
  """Returns the root's beams.

  Args:
    seed: of all draws.
    user_seeds: uint32 [batch], a number for each user.

  Returns:
    One beam a user. The noise of the root is set to 0: which items win does not
    depend on how great the greatest sum is.
  """
  keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(
      jax.random.key(seed), user_seeds
  )
  zeros = jnp.zeros((len(user_seeds), 1), jnp.float32)
  return StochasticBeams(keys, zeros, zeros)


def choose(
    beams: StochasticBeams,
    candidates: Candidates,
    width: int,
    depth: int,
    temperature: float,
) -> tuple[jax.Array, jax.Array, StochasticBeams]:
  """Chooses the children with the greatest perturbed log-probabilities.

  Args:
    beams: the parents.
    candidates: their children.
    width: how many to choose.
    depth: of the parents; draws differ from depth to depth.
    temperature: divides log-probabilities, before they are normalised over the
      children of a parent.

  Returns:
    See `strategies.Chooser.choose`.
  """
  usable = candidates.scores > -jnp.inf
  logits = jnp.where(usable, candidates.gained / temperature, -jnp.inf)
  # Of parents without children the sum is -inf; no child looks at it.
  total = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
  log_probs = beams.log_probs[:, :, None] + jnp.where(usable, logits - total, 0)
  noise = jax.vmap(
      lambda key: jax.random.gumbel(
          jax.random.fold_in(key, depth), log_probs.shape[1:]
      )
  )(beams.keys)
  perturbed = jnp.where(usable, log_probs + noise, -jnp.inf)
  perturbed = _with_maximum(perturbed, beams.perturbed[:, :, None])
  perturbed = jnp.where(usable, perturbed, -jnp.inf)
  kept, positions = jax.lax.top_k(candidates.flat(perturbed), width)
  beams = StochasticBeams(
      beams.keys, candidates.take(log_probs, positions), kept
  )
  # What must not be kept has a score of -inf, too.
  return candidates.take(candidates.scores, positions), positions, beams


def _with_maximum(perturbed: jax.Array, maximum: jax.Array) -> jax.Array:
  """Moves Gumbel variables so that their greatest is a given one.

  They are then distributed as if they had been drawn given that maximum; the
  form is that of the paper's appendix B.3, which neither over- nor underflows.

  Args:
    perturbed: float32 [batch, beam, branch].
    maximum: float32 [batch, beam, 1], what the last axis' greatest shall be.

  Returns:
    float32 [batch, beam, branch], in the same order; any where `perturbed` is
    -inf.
  """
  greatest = jnp.max(perturbed, axis=-1, keepdims=True)
  lag = jax.nn.log1mexp(greatest - perturbed)
  shift = maximum - perturbed + lag
  return maximum - jnp.maximum(shift, 0) - jnp.log1p(jnp.exp(-jnp.abs(shift)))
