# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A mixture of experts in the place of an MLP, with static shapes.

A row of the batch is a group, as GShard calls it (arXiv 2006.16668, section
2.2): each expert has a fixed number of places for the row's tokens, and a token
that finds none skips that expert. Places are given in the order of positions,
so that what becomes of a token never depends on later ones.

Tokens reach their places, and results their tokens, by look-ups of rows whose
inverse is known: the backward pass looks up, too. Nothing is scattered, no
product with one-hot matrices is computed, and no row leaves the device that has
it unless experts are cut over devices.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import operator
from typing import Any, NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.layers import param_with_axes
from plum_jax.networks.layers import with_sharding_constraint

# The name under which each layer sows its `RoutingStatistics`.
ROUTING = 'routing'
_ROUTER_INIT = nn.initializers.variance_scaling(0.1, 'fan_in', 'normal')
# As `layers.MlpBlock` does, for each expert by itself.
_EXPERT_INIT = nn.initializers.variance_scaling(
    1.0, 'fan_in', 'truncated_normal', in_axis=-2, out_axis=-1, batch_axis=(0,)
)


class RoutingStatistics(NamedTuple):
  """How a layer has routed; float32 [rows] each.

  Attributes:
    balance: num_experts times the sum over experts of the share of choices that
      fell on it and its mean probability (Switch, arXiv 2101.03961, equation
      4); 1 where all get the same, 0 for a row of padding.
    z: mean of the squared normalisers of the router (arXiv 2202.08906,
      equation 5).
    choices: tokens times `num_selected`.
    dropped: choices that found no place.
  """

  balance: jax.Array
  z: jax.Array
  choices: jax.Array
  dropped: jax.Array


class Places(NamedTuple):
  """Who is where.

  Attributes:
    of_choice: int32 [rows, length * num_selected], the place of each choice,
      counted over experts, token by token; -1 for none.
    choice_in: int32 [rows, num_experts * capacity], the choice that has each
      place; -1 for none.
  """

  of_choice: jax.Array
  choice_in: jax.Array


def assign_places(
    experts: jax.Array,
    is_token: jax.Array,
    num_experts: int,
    capacity: int,
) -> Places:
  """Gives choices places, in the order of positions.

  Args:
    experts: int32 [rows, length, num_selected], the experts of each token.
    is_token: bool [rows, length]; padding gets no place.
    num_experts: experts.
    capacity: places of each.

  Returns:
    The places.

  >>> experts = jnp.array([[[0, 1], [0, 1], [1, 0]]])
  >>> assign_places(experts, jnp.ones((1, 3), bool), 2, 2).of_choice.tolist()
  [[0, 2, 1, 3, -1, -1]]
  """
  rows, length, num_selected = experts.shape
  flat = jnp.where(is_token[:, :, None], experts, num_experts)
  flat = flat.reshape(rows, length * num_selected)
  # Sorted by expert, and each expert's by position: the sort is stable.
  order = jnp.argsort(flat, axis=1, stable=True)
  rank = jnp.argsort(order, axis=1, stable=True)
  numbers = jnp.arange(num_experts)
  counts = jnp.sum(flat[:, :, None] == numbers[None, None, :], axis=1)
  starts = jnp.cumsum(counts, axis=1) - counts
  expert = jnp.minimum(flat, num_experts - 1)
  seat = rank - jnp.take_along_axis(starts, expert, axis=1)
  has_place = (flat < num_experts) & (seat < capacity)
  of_choice = jnp.where(has_place, expert * capacity + seat, -1)
  seats = jnp.arange(capacity)[None, None, :]
  taken = seats < counts[:, :, None]
  source = jnp.minimum(starts[:, :, None] + seats, length * num_selected - 1)
  choice_in = jnp.take_along_axis(order, source.reshape(rows, -1), axis=1)
  choice_in = jnp.where(taken.reshape(rows, -1), choice_in, -1)
  return Places(of_choice.astype(jnp.int32), choice_in.astype(jnp.int32))


def _look_up(x: jax.Array, index: jax.Array) -> jax.Array:
  """Returns rows [rows, m, width] of x [rows, n, width]; of -1, zeros."""
  found = jnp.take_along_axis(x, jnp.maximum(index, 0)[:, :, None], axis=1)
  return jnp.where((index >= 0)[:, :, None], found, 0)


@jax.custom_vjp
def look_up(x: jax.Array, index: jax.Array, inverse: jax.Array) -> jax.Array:
  """Looks rows up; the gradient is looked up as well.

  Args:
    x: [rows, n, width].
    index: int32 [rows, m], of n; -1 gives zeros.
    inverse: int32 [rows, n * r]: the up to r places of `index` that hold each
      of the n numbers, one after another; -1 for none.

  Returns:
    [rows, m, width].
  """
  del inverse
  return _look_up(x, index)


def _look_up_forward(x, index, inverse):
  return _look_up(x, index), (index, inverse, x.shape[1])


def _look_up_backward(residuals, gradient):
  index, inverse, size = residuals
  del index
  parts = _look_up(gradient, inverse)
  rows, _, width = parts.shape
  return parts.reshape(rows, size, -1, width).sum(axis=2), None, None


look_up.defvjp(_look_up_forward, _look_up_backward)


class MixtureOfExperts(nn.Module):
  """Experts, each an MLP as `layers.MlpBlock` is one, and their router.

  A token's result is the sum of its experts' results, each times the router's
  probability of the expert. With more than one expert a token these are divided
  by their sum, as in GShard; with one they are not, as in Switch, since the
  router would get no gradient.

  Sows a `RoutingStatistics` as `ROUTING` into the collection `intermediates`.

  Attributes:
    experts: how tokens are routed.
    intermediate_dim: width of an expert's hidden layer.
    activations: names from `flax.linen`, or `linear`.
    dropout_rate: dropout on the hidden layer, one mask for all places.
    dtype: dtype of the computation; the router's is float32.
  """

  experts: ExpertsConfig
  intermediate_dim: int
  activations: Sequence[str] = ('relu',)
  dropout_rate: float = 0.1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
      self,
      inputs: jax.Array,
      deterministic: bool,
      token_mask: jax.Array | None = None,
  ) -> jax.Array:
    """Maps [rows, length, embed] to the same shape.

    Args:
      inputs: [rows, length, embed].
      deterministic: whether dropout is off, and `eval_capacity_factor` holds.
      token_mask: bool [rows, length], false for padding, which takes no place
        and comes out as 0; None if there is none.

    Returns:
      [rows, length, embed].
    """
    rows, length, width = inputs.shape
    sizes = self.experts
    if token_mask is None:
      token_mask = jnp.ones((rows, length), bool)
    probabilities, log_z = self._route(inputs)
    gates, chosen = jax.lax.top_k(probabilities, sizes.num_selected)
    if sizes.num_selected > 1:
      gates = gates / jnp.sum(gates, axis=-1, keepdims=True)
    capacity = sizes.capacity(length, training=not deterministic)
    places = assign_places(chosen, token_mask, sizes.num_experts, capacity)
    self._sow(probabilities, log_z, chosen, token_mask, places)

    token_in = jnp.where(
        places.choice_in < 0, -1, places.choice_in // sizes.num_selected
    )
    x = look_up(inputs.astype(self.dtype), token_in, places.of_choice)
    x = x.reshape(rows, sizes.num_experts, capacity, width)
    x = self._mlp(x, deterministic)
    x = x.reshape(rows, sizes.num_experts * capacity, width)
    x = look_up(x, places.of_choice, places.choice_in)
    x = x.reshape(rows, length, sizes.num_selected, width)
    x = jnp.sum(x * gates.astype(self.dtype)[..., None], axis=2)
    return with_sharding_constraint(x, ('batch', 'length', 'embed'))

  def _route(self, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns probabilities [rows, length, experts] and log Z, float32."""
    kernel = param_with_axes(
        'router',
        _ROUTER_INIT,
        (inputs.shape[-1], self.experts.num_experts),
        jnp.float32,
        axes=('embed', 'router'),
    )
    # Every device routes all tokens that it has.
    kernel = with_sharding_constraint(kernel, (None, 'router'))
    logits = inputs.astype(jnp.float32) @ kernel
    return jax.nn.softmax(logits), jax.nn.logsumexp(logits, axis=-1)

  def _mlp(self, x: jax.Array, deterministic: bool) -> jax.Array:
    """Maps places [rows, experts, capacity, embed] to the same shape."""
    width, axes = x.shape[-1], ('expert', 'embed', 'expert_mlp')
    placed = ('batch', 'expert', 'length', 'expert_mlp')

    def matrices(name, sizes, axes):
      kernel = param_with_axes(
          name,
          _EXPERT_INIT,
          (self.experts.num_experts, *sizes),
          jnp.float32,
          axes=axes,
      )
      return with_sharding_constraint(kernel.astype(self.dtype), axes)

    x = with_sharding_constraint(x, ('batch', 'expert', 'length', 'embed'))
    hidden = []
    for i, activation in enumerate(self.activations):
      name = 'wi' if len(self.activations) == 1 else f'wi_{i}'
      kernel = matrices(name, (width, self.intermediate_dim), axes)
      y = jnp.einsum('recd,edf->recf', x, kernel)
      hidden.append(y if activation == 'linear' else getattr(nn, activation)(y))
    y = functools.reduce(operator.mul, hidden)
    y = nn.Dropout(self.dropout_rate, broadcast_dims=(-2,))(y, deterministic)
    y = with_sharding_constraint(y, placed)
    kernel = matrices(
        'wo', (self.intermediate_dim, width), (axes[0], axes[2], axes[1])
    )
    y = jnp.einsum('recf,efd->recd', y, kernel)
    return with_sharding_constraint(y, ('batch', 'expert', 'length', 'embed'))

  def _sow(
      self,
      probabilities: jax.Array,
      log_z: jax.Array,
      chosen: jax.Array,
      token_mask: jax.Array,
      places: Places,
  ) -> None:
    """Sows how tokens were routed; nothing is computed if no one asks."""
    if not self.is_mutable_collection('intermediates'):
      return
    number = self.experts.num_experts
    weights = token_mask.astype(jnp.float32)
    tokens = weights.sum(axis=1)
    at_least_one = jnp.maximum(tokens, 1.0)
    # The choices have no gradient, as in Switch.
    on = jax.nn.one_hot(chosen, number, dtype=jnp.float32).sum(axis=2)
    shares = jnp.einsum('rl,rle->re', weights, on)
    shares /= (at_least_one * self.experts.num_selected)[:, None]
    means = jnp.einsum('rl,rle->re', weights, probabilities)
    means /= at_least_one[:, None]
    choices = tokens * self.experts.num_selected
    placed = jnp.sum(places.of_choice >= 0, axis=1).astype(jnp.float32)
    self.sow(
        'intermediates',
        ROUTING,
        RoutingStatistics(
            balance=number * jnp.sum(shares * means, axis=1),
            z=jnp.sum(weights * jnp.square(log_z), axis=1) / at_least_one,
            choices=choices,
            dropped=choices - placed,
        ),
    )
