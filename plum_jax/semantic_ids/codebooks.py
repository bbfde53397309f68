# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Codebooks: their sizes, their place among parameters, codes that died."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from plum_jax.artifacts.errors import InputError


def multi_resolution(
    first_size: int = 2048, num_levels: int = 5
) -> tuple[int, ...]:
  """Sizes that halve from level to level: first_size / 2^(l-1), l from 1.

  Coarse levels, whose items are many and far apart, get more codes than late
  ones (PLUM, section on Semantic IDs; its sizes are the defaults).

  Args:
    first_size: codes of the first level.
    num_levels: how many levels.

  Returns:
    Codes per level.

  Raises:
    InputError: a size would not be whole, or would be less than 2.

  >>> multi_resolution()
  (2048, 1024, 512, 256, 128)
  >>> multi_resolution(256, 3)
  (256, 128, 64)
  """
  shrinks = 2 ** (max(num_levels, 1) - 1)
  if num_levels < 1 or first_size % shrinks or first_size // shrinks < 2:
    raise InputError(
        f'{num_levels} levels cannot begin with {first_size} codes and halve.',
        where='codebooks.multi_resolution',
        expected='at least one level, and whole sizes of at least 2: a '
        f'multiple of {shrinks} codes, at least {2 * shrinks}',
        fix='Choose another first_size, or fewer levels.',
    )
  return tuple(first_size // 2**level for level in range(num_levels))


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
