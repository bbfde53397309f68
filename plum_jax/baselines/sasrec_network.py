# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The network of SASRec: causal self-attention over item embeddings."""

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
class SasrecConfig:
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
    if self.embed_size % self.num_heads:
      raise InputError(
          'The heads do not share the width evenly.',
          where='SasrecConfig.num_heads',
          expected=f'a divisor of embed_size = {self.embed_size}, '
          f'got {self.num_heads}',
          fix='Change num_heads or embed_size.',
      )
    if min(self.num_items, self.max_length, self.num_layers) < 1:
      raise InputError(
          'A size of SASRec is not positive.',
          where='SasrecConfig',
          expected='num_items, max_length and num_layers of at least 1',
          fix=f'Correct {self}.',
      )

  @property
  def table_size(self) -> int:
    """Rows of the item table: `num_items`, rounded up."""
    return -(-self.num_items // _TABLE_MULTIPLE) * _TABLE_MULTIPLE


class _Parameters(nn.Module):
  """A module whose parameters bear logical axis names."""

  def weight(
      self, name: str, shape: Sequence[int], axes: Sequence[str]
  ) -> jax.Array:
    """Returns a normally distributed weight, deviation 0.02 (our choice)."""
    return partitioning.param_with_axes(
        name, nn.initializers.normal(0.02), tuple(shape), axes=tuple(axes)
    )


class LayerNorm(_Parameters):
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


class Attention(_Parameters):
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


class Mlp(_Parameters):
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


class SasrecNetwork(_Parameters):
  """Self-attentive sequential recommendation.

  After Kang and McAuley, "Self-Attentive Sequential Recommendation"
  (arXiv 1808.09781): causal self-attention, learned positions, output tied to
  the item embeddings. Normalisation before each block, GELU and biases only in
  the norms are our choice.
  """

  config: SasrecConfig

  @nn.compact
  def __call__(
      self, history_item_ids: jax.Array, *, deterministic: bool = True
  ) -> tuple[jax.Array, jax.Array]:
    """Reads histories.

    Args:
      history_item_ids: int32 `[batch, max_length]`, newest last, padded on the
        left with a negative number. The position counts from the newest item.
      deterministic: whether dropout is off.

    Returns:
      The hidden states `[batch, max_length, embed]`, and the table
      `[table_size, embed]` whose products with them score the items.
    """
    config = self.config
    table = self.weight(
        'item_embedding',
        (config.table_size, config.embed_size),
        ('item', 'embed'),
    )
    positions = self.weight(
        'position_embedding',
        (config.max_length, config.embed_size),
        ('length', 'embed'),
    )
    drop = nn.Dropout(config.dropout_rate, deterministic=deterministic)
    present = history_item_ids >= 0
    x = table[jnp.maximum(history_item_ids, 0)] * config.embed_size**0.5
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
    return LayerNorm(name='final_norm')(x), table


def item_logits(
    hidden: jax.Array, table: jax.Array, num_items: int
) -> jax.Array:
  """Scores all items.

  Args:
    hidden: `[batch, length, embed]`.
    table: `[table_size, embed]`, the items' embeddings.
    num_items: rows of the table that are items; the rest scores -inf.

  Returns:
    `[batch, length, table_size]`.
  """
  logits = jnp.einsum('ble,ie->bli', hidden, table)
  logits = partitioning.with_sharding_constraint(
      logits, ('batch', 'length', 'item')
  )
  is_item = jnp.arange(table.shape[0]) < num_items
  return jnp.where(is_item[None, None, :], logits, -jnp.inf)
