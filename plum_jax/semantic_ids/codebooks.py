# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The codebooks among an RQ-VAE's parameters; moving codes that died."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax


def of(params: Any) -> tuple[jax.Array, ...]:
  """Returns the codebooks, level by level."""
  count = sum(name.startswith('codebook_') for name in params)
  return tuple(params[f'codebook_{level + 1}'] for level in range(count))


def replaced(params: Any, books: tuple[jax.Array, ...]) -> Any:
  """Returns the parameters with other codebooks."""
  return params | {
      f'codebook_{level + 1}': book for level, book in enumerate(books)
  }


def move_dead(
    optimizer: optax.GradientTransformation,
    params: Any,
    opt_state: Any,
    dead: tuple[jax.Array, ...],
    residuals: jax.Array,
) -> tuple[Any, Any]:
  """Moves dead codes to what items of the batch need at their level.

  A batch is in random order already, so its items are taken in that order, and
  each level begins at another one.

  The optimizer forgets what it knew of these rows, as of new parameters.

  Args:
    optimizer: whose state it is.
    params: the parameters.
    opt_state: the optimizer's state.
    dead: bool [codebook_size] per level.
    residuals: [batch, num_levels, latent], the inputs of each level; items in
      random order.

  Returns:
    Parameters and optimizer state.
  """
  books = of(params)
  moved = []
  masks = jax.tree.map(lambda leaf: jnp.zeros((1,) * leaf.ndim, bool), params)
  for level, (book, is_dead) in enumerate(zip(books, dead, strict=True)):
    begin = level * (residuals.shape[0] // len(books))
    chosen = (begin + jnp.cumsum(is_dead) - 1) % residuals.shape[0]
    targets = jnp.take(residuals[:, level], chosen, axis=0)
    moved.append(jnp.where(is_dead[:, None], targets, book))
    masks[f'codebook_{level + 1}'] = is_dead[:, None]
  params = replaced(params, tuple(moved))
  fresh = optimizer.init(params)
  state_masks = optax.tree_utils.tree_map_params(
      optimizer.init,
      lambda _, mask: mask,
      opt_state,
      masks,
      transform_non_params=lambda leaf: jnp.zeros((1,) * jnp.ndim(leaf), bool),
  )
  opt_state = jax.tree.map(
      lambda mask, new, old: jnp.where(mask, new, old),
      state_masks,
      fresh,
      opt_state,
  )
  return params, opt_state
