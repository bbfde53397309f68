# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Causal self-attention over a history: what SASRec and the LEM share."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

from flax import linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp

from plum_jax.artifacts.errors import InputError

# Rows of the item table come in multiples of this, so that any usual mesh
# divides them.
_TABLE_MULTIPLE = 128
_MASKED = -1e9


@dataclasses.dataclass(frozen=True)
class HistoryTransformerConfig:
  """Sizes of the network.

  Attributes:
    num_items: number of items of the catalog.
    max_length: number of newest items of a history that are read.
    embed_size: width of item embeddings and of the residual stream.
    num_layers: number of attention + MLP blocks.
    num_heads: attention heads; divides `embed_size`.
    mlp_size: width of the MLP's hidden layer.
    dropout_rate: share dropped of embeddings and of each block's outputs.
  """

  num_items: int
  max_length: int = 50
  embed_size: int = 64
  num_layers: int = 2
  num_heads: int = 2
  mlp_size: int = 256
  dropout_rate: float = 0.2

  def __post_init__(self):
    name = type(self).__name__
    if self.embed_size % self.num_heads:
      raise InputError(
          'The heads do not share the width evenly.',
          where=f'{name}.num_heads',
          expected=f'a divisor of embed_size = {self.embed_size}, '
          f'got {self.num_heads}',
          fix='Change num_heads or embed_size.',
      )
    if min(self.num_items, self.max_length, self.num_layers) < 1:
      raise InputError(
          'A size of the network is not positive.',
          where=name,
          expected='num_items, max_length and num_layers of at least 1',
          fix=f'Correct {self}.',
      )

  @property
  def table_size(self) -> int:
    """Rows of the item table: `num_items`, rounded up."""
    return -(-self.num_items // _TABLE_MULTIPLE) * _TABLE_MULTIPLE


class Parameters(nn.Module):
  """A module whose parameters bear logical axis names."""

  def weight(
      self, name: str, shape: Sequence[int], axes: Sequence[str]
  ) -> jax.Array:
    """Returns a normally distributed weight, deviation 0.02 (our choice)."""
    return partitioning.param_with_axes(
        name, nn.initializers.normal(0.02), tuple(shape), axes=tuple(axes)
    )


class LayerNorm(Parameters):
  """Layer norm over the width, with scale and bias."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Normalises `[batch, length, embed]` along the last dimension."""
    size = x.shape[-1]
    scale, bias = (
        partitioning.param_with_axes(name, init, (size,), axes=('embed',))
        for name, init in (
            ('scale', nn.initializers.ones),
            ('bias', nn.initializers.zeros),
        )
    )
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    normalised = centred * jax.lax.rsqrt(variance + 1e-6)
    return normalised * scale[None, None, :] + bias[None, None, :]


class Attention(Parameters):
  """Multi-head self-attention."""

  num_heads: int

  @nn.compact
  def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
    """Attends.

    Args:
      x: `[batch, length, embed]`.
      mask: bool `[batch, query length, key length]`, what may be seen.

    Returns:
      `[batch, length, embed]`.
    """
    size = x.shape[-1]
    head_size = size // self.num_heads
    query, key, value = (
        jnp.einsum(
            'ble,ehd->blhd',
            x,
            self.weight(
                name,
                (size, self.num_heads, head_size),
                ('embed', 'heads', 'kv'),
            ),
        )
        for name in ('query', 'key', 'value')
    )
    logits = jnp.einsum('bqhd,bkhd->bhqk', query, key) * head_size**-0.5
    logits = jnp.where(mask[:, None, :, :], logits, _MASKED)
    attended = jnp.einsum(
        'bhqk,bkhd->bqhd', jax.nn.softmax(logits, axis=-1), value
    )
    out = self.weight(
        'out', (self.num_heads, head_size, size), ('heads', 'kv', 'embed')
    )
    return jnp.einsum('bqhd,hde->bqe', attended, out)


class Mlp(Parameters):
  """Two dense layers with a GELU between them."""

  hidden_size: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[batch, length, embed]` to the same shape."""
    size = x.shape[-1]
    wi = self.weight('wi', (size, self.hidden_size), ('embed', 'mlp'))
    wo = self.weight('wo', (self.hidden_size, size), ('mlp', 'embed'))
    return jax.nn.gelu(x @ wi) @ wo


def _constrain(x: jax.Array) -> jax.Array:
  return partitioning.with_sharding_constraint(x, ('batch', 'length', 'embed'))


def read_history(
    module: Parameters,
    config: HistoryTransformerConfig,
    embedded: jax.Array,
    present: jax.Array,
    deterministic: bool,
) -> jax.Array:
  """Runs embedded histories through the blocks, within a compact `__call__`.

  After Kang and McAuley, "Self-Attentive Sequential Recommendation"
  (arXiv 1808.09781): causal self-attention, learned positions. Normalisation
  before each block, GELU and biases only in the norms are our choice.

  Args:
    module: the network; the parameters become its own.
    config: sizes.
    embedded: `[batch, max_length, embed]`, the items' embeddings, newest last.
    present: bool `[batch, max_length]`, false where there is padding.
    deterministic: whether dropout is off.

  Returns:
    The hidden states `[batch, max_length, embed]`.
  """
  positions = module.weight(
      'position_embedding',
      (config.max_length, config.embed_size),
      ('length', 'embed'),
  )
  drop = nn.Dropout(config.dropout_rate, deterministic=deterministic)
  x = embedded * config.embed_size**0.5
  x = jnp.where(present[:, :, None], x + positions[None, :, :], 0.0)
  x = _constrain(drop(x))
  causal = jnp.tril(jnp.ones((config.max_length,) * 2, bool))
  mask = causal[None, :, :] & present[:, None, :]
  for layer in range(config.num_layers):
    attended = Attention(config.num_heads, name=f'attention_{layer}')(
        LayerNorm(name=f'pre_attention_norm_{layer}')(x), mask
    )
    x = _constrain(x + drop(attended))
    mapped = Mlp(config.mlp_size, name=f'mlp_{layer}')(
        LayerNorm(name=f'pre_mlp_norm_{layer}')(x)
    )
    x = _constrain(x + drop(mapped))
  return LayerNorm(name='final_norm')(x)
