# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rematerialisation: memory for time in the backward pass."""

from __future__ import annotations

from flax import linen as nn
import jax

from plum_jax.networks.config import REMAT_POLICIES


def wrap(layer: type[nn.Module], policy: str) -> type[nn.Module]:
  """Returns a layer class whose activations are computed again as needed.

  Args:
    layer: a module class; parameter names are not changed.
    policy: one of `REMAT_POLICIES`: `none`; `minimal` keeps the results of
      matrix products with parameters; `full` keeps only a layer's input.

  Returns:
    The class to use in the place of `layer`.

  Raises:
    ValueError: the policy is unknown.
  """
  if policy == 'none':
    return layer
  if policy == 'minimal':
    return nn.remat(
        layer,
        policy=jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        prevent_cse=True,
    )
  if policy == 'full':
    return nn.remat(layer, prevent_cse=True)
  raise ValueError(
      f'remat_policy is {policy!r}, expected one of {REMAT_POLICIES}.'
  )
