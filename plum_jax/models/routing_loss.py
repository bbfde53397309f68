# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What keeps a mixture of experts balanced: auxiliary losses and metrics."""

from __future__ import annotations

from collections.abc import Mapping
import functools
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.mixture_of_experts import ROUTING
from plum_jax.networks.mixture_of_experts import RoutingStatistics

Sums = dict[str, tuple[jax.Array, jax.Array]]


def of_layers(intermediates: Mapping[str, Any]) -> list[RoutingStatistics]:
  """Finds what the layers have sown.

  Args:
    intermediates: the collection of that name.

  Returns:
    One for each layer with experts.
  """
  found = []
  for name, value in intermediates.items():
    if name == ROUTING:
      found.extend(value)
    elif isinstance(value, Mapping):
      found.extend(of_layers(value))
  return found


def routing_sums(
    layers: list[RoutingStatistics],
    row_weights: jax.Array,
    config: ExpertsConfig,
) -> tuple[jax.Array, Sums]:
  """Sums the auxiliary losses and metrics of a batch.

  The balance of a row is weighed like its tokens in the loss, so that sums over
  microbatches and devices add up to those of the batch, and rows of padding do
  not count. The losses of layers are summed, as in Switch (arXiv 2101.03961,
  section 2.2).

  Args:
    layers: what `of_layers` found.
    row_weights: float32 [rows], the sum of each row's loss weights.
    config: factors of the losses.

  Returns:
    What is added to the sum of losses; and (sum, weight) of `router_loss`, that
    very term; `router_balance`, the mean over layers, 1 where all experts get
    the same; and `router_dropped`, the share of choices that found no place.
  """
  mean = functools.partial(_mean_over_layers, layers)
  balance = jnp.sum(row_weights * mean('balance'))
  z = jnp.sum(row_weights * mean('z'))
  loss = len(layers) * (
      config.balance_loss * balance + config.router_z_loss * z
  )
  total = row_weights.sum()
  return loss, {
      'router_loss': (loss, total),
      'router_balance': (balance, total),
      'router_dropped': (mean('dropped').sum(), mean('choices').sum()),
  }


def _mean_over_layers(layers: list[RoutingStatistics], name: str) -> jax.Array:
  return jnp.mean(jnp.stack([getattr(one, name) for one in layers]), axis=0)
