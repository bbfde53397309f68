# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT's encoder as a Linen module, for inference."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

from flax import linen as nn
from flax.linen import partitioning
import jax
from jax import numpy as jnp

param_with_axes = partitioning.param_with_axes

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    'gelu': functools.partial(jax.nn.gelu, approximate=False),
    'gelu_new': functools.partial(jax.nn.gelu, approximate=True),
    'gelu_pytorch_tanh': functools.partial(jax.nn.gelu, approximate=True),
    'relu': jax.nn.relu,
}

# An item's embedding decides its Semantic ID, so it must not depend on the
# kind of device: accelerators would otherwise round factors to bfloat16/TF32.
_PRECISION = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True)
class BertConfig:
  """Sizes of a BERT encoder, under the names of its `config.json`."""

  vocab_size: int
  hidden_size: int
  num_hidden_layers: int
  num_attention_heads: int
  intermediate_size: int
  max_position_embeddings: int
  type_vocab_size: int
  layer_norm_eps: float = 1e-12
  hidden_act: str = 'gelu'


class Dense(nn.Module):
  """An affine map of the last axis.

  Attributes:
    features: width of the output.
    axes: logical axes of the kernel: input, output.
  """

  features: int
  axes: tuple[str, str]

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Maps [..., input] to [..., features]."""
    kernel = param_with_axes(
        'kernel',
        nn.initializers.lecun_normal(),
        (inputs.shape[-1], self.features),
        jnp.float32,
        axes=self.axes,
    )
    bias = param_with_axes(
        'bias',
        nn.initializers.zeros_init(),
        (self.features,),
        jnp.float32,
        axes=self.axes[1:],
    )
    outputs = jnp.einsum('...i,ij->...j', inputs, kernel, precision=_PRECISION)
    return outputs + jnp.reshape(bias, (1,) * (inputs.ndim - 1) + (-1,))


class LayerNorm(nn.Module):
  """Layer normalisation over the last axis, mean subtracted, with bias."""

  epsilon: float

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Maps [..., embed] to the same shape."""
    shape = (inputs.shape[-1],)
    scale = param_with_axes(
        'scale',
        nn.initializers.ones_init(),
        shape,
        jnp.float32,
        axes=('embed',),
    )
    bias = param_with_axes(
        'bias',
        nn.initializers.zeros_init(),
        shape,
        jnp.float32,
        axes=('embed',),
    )
    centred = inputs - jnp.mean(inputs, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    normalized = centred * jax.lax.rsqrt(variance + self.epsilon)
    row = (1,) * (inputs.ndim - 1) + (-1,)
    return normalized * scale.reshape(row) + bias.reshape(row)


class SelfAttention(nn.Module):
  """Attention of every token to every token that is not padding."""

  num_heads: int

  @nn.compact
  def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
    """Maps `inputs` [batch, length, embed] to the same shape.

    Args:
      inputs: [batch, length, embed] float32.
      mask: [batch, length] bool, True where there is a token.

    Returns:
      [batch, length, embed] float32.
    """
    batch, length, width = inputs.shape
    heads = (batch, length, self.num_heads, width // self.num_heads)
    into = ('embed', 'joined_kv')
    query = Dense(width, into, name='query')(inputs).reshape(heads)
    key = Dense(width, into, name='key')(inputs).reshape(heads)
    value = Dense(width, into, name='value')(inputs).reshape(heads)
    logits = jnp.einsum('bqhd,bkhd->bhqk', query, key, precision=_PRECISION)
    logits = logits / jnp.sqrt(jnp.float32(heads[-1]))
    logits = jnp.where(mask[:, None, None, :], logits, -jnp.inf)
    # Softmax with the division after the product: XLA on CPUs would otherwise
    # divide anew for every output, which takes three times as long.
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    totals = jnp.swapaxes(jnp.sum(weights, axis=-1), 1, 2)[..., None]
    mixed = jnp.einsum('bhqk,bkhd->bqhd', weights, value, precision=_PRECISION)
    mixed = (mixed / totals).reshape(batch, length, width)
    return Dense(width, ('joined_kv', 'embed'), name='out')(mixed)


class BertLayer(nn.Module):
  """Attention and MLP, each with its residual and its norm behind it."""

  config: BertConfig

  @nn.compact
  def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
    """Maps [batch, length, embed] to the same shape."""
    cfg = self.config
    attended = SelfAttention(cfg.num_attention_heads, name='attention')(
        inputs, mask
    )
    hidden = LayerNorm(cfg.layer_norm_eps, name='attention_norm')(
        inputs + attended
    )
    wide = Dense(cfg.intermediate_size, ('embed', 'mlp'), name='wi')(hidden)
    wide = ACTIVATIONS[cfg.hidden_act](wide)
    narrow = Dense(cfg.hidden_size, ('mlp', 'embed'), name='wo')(wide)
    return LayerNorm(cfg.layer_norm_eps, name='mlp_norm')(hidden + narrow)


class BertEncoder(nn.Module):
  """Tokens to one vector each (Devlin et al., arXiv 1810.04805).

  There is no dropout: the encoder is frozen here.
  """

  config: BertConfig

  @nn.compact
  def __call__(self, token_ids: jax.Array, mask: jax.Array) -> jax.Array:
    """Encodes single texts (every token is of type 0).

    Args:
      token_ids: [batch, length] int32.
      mask: [batch, length] bool, True where there is a token. Each row has at
        least one.

    Returns:
      [batch, length, embed] float32; arbitrary where `mask` is False.
    """
    cfg = self.config
    normal = nn.initializers.normal(0.02)
    width = cfg.hidden_size
    tokens = param_with_axes(
        'token_embedding',
        normal,
        (cfg.vocab_size, width),
        jnp.float32,
        axes=('vocab', 'embed'),
    )
    positions = param_with_axes(
        'position_embedding',
        normal,
        (cfg.max_position_embeddings, width),
        jnp.float32,
        axes=('position', 'embed'),
    )
    types = param_with_axes(
        'type_embedding',
        normal,
        (cfg.type_vocab_size, width),
        jnp.float32,
        # Two rows, which are never cut.
        axes=(None, 'embed'),  # pyrefly: ignore[bad-argument-type]
    )
    hidden = tokens[token_ids] + types[None, :1]
    hidden = hidden + positions[None, : token_ids.shape[1]]
    hidden = LayerNorm(cfg.layer_norm_eps, name='embedding_norm')(hidden)
    for number in range(cfg.num_hidden_layers):
      hidden = BertLayer(cfg, name=f'layers_{number}')(hidden, mask)
    return hidden
