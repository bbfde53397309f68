# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The parts of a layer that know nothing of positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
import operator
from typing import Any

from flax import linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp

param_with_axes = partitioning.param_with_axes
with_sharding_constraint = partitioning.with_sharding_constraint

Initializer = Callable[..., jax.Array]
_ATTENTION_INIT = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
_MLP_INIT = nn.initializers.variance_scaling(1.0, 'fan_in', 'truncated_normal')


class LayerNorm(nn.Module):
  """T5's layer norm: scales by the root mean square, without mean or bias.

  Attributes:
    epsilon: added to the mean of squares.
    dtype: dtype of the output.
    axis: logical axis of the dimension that is normalised.
    one_plus_scale: Gemma's form: the factor is 1 + `scale`, which starts at 0,
      and is applied in float32.
  """

  epsilon: float = 1e-6
  dtype: Any = jnp.float32
  axis: str = 'embed'
  one_plus_scale: bool = False

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Normalises the last dimension; the mean of squares is in float32."""
    x = inputs.astype(jnp.float32)
    x = x * jax.lax.rsqrt(
        jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.epsilon
    )
    scale = param_with_axes(
        'scale',
        nn.initializers.zeros if self.one_plus_scale else nn.initializers.ones,
        (inputs.shape[-1],),
        jnp.float32,
        axes=(self.axis,),
    )
    if self.one_plus_scale:
      return (x * jnp.broadcast_to(1.0 + scale, x.shape)).astype(self.dtype)
    return x.astype(self.dtype) * jnp.broadcast_to(
        scale.astype(self.dtype), x.shape
    )


class Dense(nn.Module):
  """A matrix product over the last dimensions, without bias.

  Attributes:
    features: the output's last dimensions.
    kernel_axes: logical axes of the kernel, which is always a matrix.
    num_contracted: how many trailing dimensions of the input are contracted.
    dtype: dtype of inputs, kernel and output in the product.
    kernel_init: initialiser of the kernel.
  """

  features: tuple[int, ...]
  kernel_axes: tuple[str, str]
  num_contracted: int = 1
  dtype: Any = jnp.float32
  kernel_init: Initializer = _MLP_INIT

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Maps [..., *contracted] to [..., *features]."""
    batch_shape = inputs.shape[: inputs.ndim - self.num_contracted]
    x = inputs.astype(self.dtype).reshape(*batch_shape, -1)
    size = functools.reduce(operator.mul, self.features)
    kernel = param_with_axes(
        'kernel',
        self.kernel_init,
        (x.shape[-1], size),
        jnp.float32,
        axes=self.kernel_axes,
    )
    # Placed after the cast: what is gathered along `fsdp`, and the gradient
    # that is scattered along it, are then of this dtype.
    kernel = with_sharding_constraint(
        kernel.astype(self.dtype), self.kernel_axes
    )
    # Not `@`, which is jitted: adapters are put in here, see `models.lora`.
    product = jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))
    return product.reshape(*batch_shape, *self.features)


class MlpBlock(nn.Module):
  """T5 1.1's MLP: one hidden layer, gated if there are several activations.

  Attributes:
    intermediate_dim: width of the hidden layer.
    activations: names from `flax.linen`, or `linear`.
    dropout_rate: dropout on the hidden layer, one mask for all positions.
    dtype: dtype of the computation.
  """

  intermediate_dim: int
  activations: Sequence[str] = ('relu',)
  dropout_rate: float = 0.1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, inputs: jax.Array, deterministic: bool) -> jax.Array:
    """Maps [batch, length, embed] to the same shape."""
    hidden = []
    for i, activation in enumerate(self.activations):
      x = Dense(
          (self.intermediate_dim,),
          ('embed', 'mlp'),
          dtype=self.dtype,
          name='wi' if len(self.activations) == 1 else f'wi_{i}',
      )(inputs)
      hidden.append(x if activation == 'linear' else getattr(nn, activation)(x))
    x = functools.reduce(operator.mul, hidden)
    x = nn.Dropout(self.dropout_rate, broadcast_dims=(-2,))(x, deterministic)
    x = with_sharding_constraint(x, ('batch', 'length', 'mlp'))
    return Dense(
        (inputs.shape[-1],), ('mlp', 'embed'), dtype=self.dtype, name='wo'
    )(x)


class Embed(nn.Module):
  """The table of token embeddings, also used as output layer.

  Attributes:
    num_embeddings: rows.
    features: width.
    dtype: dtype of what is looked up.
    stddev: standard deviation of the initial numbers.
  """

  num_embeddings: int
  features: int
  dtype: Any = jnp.float32
  stddev: float = 1.0

  def setup(self):
    """Makes the table."""
    self.embedding = param_with_axes(
        'embedding',
        nn.initializers.normal(stddev=self.stddev),
        (self.num_embeddings, self.features),
        jnp.float32,
        axes=('vocab', 'embed'),
    )

  def __call__(self, token_ids: jax.Array) -> jax.Array:
    """Looks up int [batch, length] as [batch, length, embed]."""
    table = self.embedding.astype(self.dtype)
    table = with_sharding_constraint(table, ('vocab', 'embed'))
    # Whole rows: a row cut along `fsdp` cannot be looked up for tokens that are
    # cut along it too, and XLA would move every vector of the batch instead.
    table = with_sharding_constraint(table, ('vocab', None))
    x = jnp.take(table, token_ids, axis=0)
    return with_sharding_constraint(x, ('batch', 'length', 'embed'))

  def attend(self, x: jax.Array) -> jax.Array:
    """Multiplies [..., embed] with the table: float32 [..., vocab]."""
    return x.astype(jnp.float32) @ self.embedding.T
