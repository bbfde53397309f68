# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The decoder stack of T5's networks, with or without cross-attention."""

from __future__ import annotations

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.networks import cache_position
from plum_jax.networks import remat
from plum_jax.networks.attention import MultiHeadAttention
from plum_jax.networks.config import RelativeNetworkConfig
from plum_jax.networks.config import TransformerConfig
from plum_jax.networks.layers import Dense
from plum_jax.networks.layers import Embed
from plum_jax.networks.layers import LayerNorm
from plum_jax.networks.layers import MlpBlock
from plum_jax.networks.mixture_of_experts import MixtureOfExperts
from plum_jax.networks.relative_position import RelativePositionBias


def _dropout(rate: float, deterministic: bool, x: jax.Array) -> jax.Array:
  """Drops values [rows, length, embed], those of a row at all positions."""
  return nn.Dropout(rate, broadcast_dims=(-2,))(x, deterministic)


class DecoderLayer(nn.Module):
  """Self-attention, cross-attention if there is an encoder, MLP.

  Attributes:
    config: the network's hyper-parameters.
    deterministic: whether dropout is off.
    self_cache_mode: `cache_mode` of the self-attention.
    cross_cache_mode: `cache_mode` of the cross-attention.
    last_only: whether the output is that of the last position alone. It still
      looks at all positions, and keys and values of all are stored.
  """

  config: RelativeNetworkConfig
  deterministic: bool
  self_cache_mode: str = 'off'
  cross_cache_mode: str = 'off'
  last_only: bool = False

  @nn.compact
  def __call__(
      self,
      inputs: jax.Array,
      mask: jax.Array | None,
      bias: jax.Array,
      encoded: jax.Array | None = None,
      encoder_mask: jax.Array | None = None,
      cache_index: jax.Array | None = None,
      prefix_bias: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
      token_mask: jax.Array | None = None,
  ) -> jax.Array:
    """Maps [rows, length, embed] to the same shape, or to length 1.

    Args:
      inputs: [rows, length, embed].
      mask: of the self-attention, bool [rows, 1, length, key_length].
      bias: of the self-attention, [1 or rows, heads, length, key_length].
      encoded: output of the encoder [rows, encoder_length, embed], or None for
        a layer without cross-attention.
      encoder_mask: of the cross-attention: bool [rows, 1, length,
        encoder_length]; with `cross_cache_mode='read'`, bool [users,
        encoder_length].
      cache_index: see `MultiHeadAttention`.
      prefix_bias: see `MultiHeadAttention`.
      prefix_mask: see `MultiHeadAttention`.
      token_mask: bool [rows, length], true where a token is not padding; only
        experts look at it. None if none is.

    Returns:
      [rows, length, embed], or [rows, 1, embed] with `last_only`.
    """
    cfg = self.config

    def attention(name):
      return MultiHeadAttention(
          num_heads=cfg.num_heads,
          head_dim=cfg.head_dim,
          dropout_rate=cfg.dropout_rate,
          dtype=cfg.dtype,
          float32_logits=cfg.float32_attention_logits,
          name=name,
      )

    dropout = functools.partial(_dropout, cfg.dropout_rate, self.deterministic)
    x = LayerNorm(dtype=cfg.dtype, name='pre_self_attention_layer_norm')(inputs)
    queries = x
    if self.last_only:
      inputs, queries = inputs[:, -1:], x[:, -1:]
      bias = bias[:, :, -1:]
      mask = None if mask is None else mask[:, :, -1:]
      encoder_mask = None if encoder_mask is None else encoder_mask[:, :, -1:]
      token_mask = None if token_mask is None else token_mask[:, -1:]
    x = attention('self_attention')(
        queries,
        x,
        mask,
        bias,
        deterministic=self.deterministic,
        cache_mode=self.self_cache_mode,
        cache_index=cache_index,
        prefix_bias=prefix_bias,
        prefix_mask=prefix_mask,
    )
    x = dropout(x) + inputs
    if encoded is not None:
      read = self.cross_cache_mode == 'read'
      y = LayerNorm(dtype=cfg.dtype, name='pre_cross_attention_layer_norm')(x)
      y = attention('encoder_decoder_attention')(
          y,
          encoded,
          None if read else encoder_mask,
          deterministic=self.deterministic,
          cache_mode=self.cross_cache_mode,
          prefix_mask=encoder_mask if read else None,
      )
      x = dropout(y) + x
    y = LayerNorm(dtype=cfg.dtype, name='pre_mlp_layer_norm')(x)
    sizes = (
        cfg.mlp_dim,
        cfg.mlp_activations,
        cfg.dropout_rate,
        cfg.dtype,
    )
    if isinstance(cfg, TransformerConfig) and cfg.experts:
      y = MixtureOfExperts(cfg.experts, *sizes, name='experts')(
          y, self.deterministic, token_mask
      )
    else:
      y = MlpBlock(*sizes, name='mlp')(y, self.deterministic)
    return dropout(y) + x


class Decoder(nn.Module):
  """Token ids to logits.

  Attributes:
    config: the network's hyper-parameters.
    shared_embedding: the encoder's table; None makes one of its own.
  """

  config: RelativeNetworkConfig
  shared_embedding: Embed | None = None

  @nn.compact
  def __call__(
      self,
      decoder_input_tokens: jax.Array,
      mask: jax.Array | None,
      encoded: jax.Array | None = None,
      encoder_mask: jax.Array | None = None,
      *,
      deterministic: bool = True,
      decode: bool = False,
      prefill: bool = False,
      prefill_lengths: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
      last_only: bool = False,
      token_mask: jax.Array | None = None,
  ) -> jax.Array:
    """Computes the logits of the next token at each position.

    With `decode`, a first call without a cache makes room for as many positions
    as its input has; each later call takes one token a row, [rows, 1]. If the
    collection `prefix_cache` is given, rows are beams that continue the prefix
    of their user; `prefix_mask` is then needed.

    Args:
      decoder_input_tokens: int32 [rows, length].
      mask: bool [rows, 1, length, length]; unused with `decode`.
      encoded: [rows, encoder_length, embed], or None without an encoder.
      encoder_mask: see `DecoderLayer`.
      deterministic: whether dropout is off.
      decode: whether to continue from the cache.
      prefill: whether to store keys and values of the whole input.
      prefill_lengths: int32 [rows], how many positions of an existing cache to
        fill; the next token then goes there.
      prefix_mask: bool [users, prefix_length], true for real tokens. The prefix
        is aligned to the right: the next token's position is prefix_length.
      last_only: whether to compute the logits of the last position alone.
      token_mask: see `DecoderLayer`.

    Returns:
      float32 [rows, length or 1, vocab].
    """
    cfg = self.config
    embedding = self.shared_embedding
    if embedding is None:
      embedding = Embed(
          cfg.vocab_size, cfg.emb_dim, cfg.dtype, name='token_embedder'
      )
    relpos = RelativePositionBias(
        cfg.num_heads,
        cfg.num_relpos_buckets,
        cfg.max_relpos_distance,
        bidirectional=False,
        dtype=cfg.dtype,
        name='relpos_bias',
    )

    dropout = functools.partial(_dropout, cfg.dropout_rate, deterministic)
    index, length, stepping = cache_position.advance(
        self, decoder_input_tokens, decode, prefill_lengths
    )
    prefix_bias = None
    if stepping:
      assert index is not None
      keys = jnp.arange(length)[None, :]
      queries = jnp.reshape(index, (-1, 1))
      mask = (keys <= queries)[:, None, None, :]
      if prefix_mask is not None:
        prefix_length = prefix_mask.shape[1]
        prefix_bias = relpos(
            queries + prefix_length, jnp.arange(prefix_length)[None, :]
        )
      bias = relpos(queries, keys)
    else:
      bias = relpos.of_sequence(length)

    y = dropout(embedding(decoder_input_tokens)).astype(cfg.dtype)
    self_mode = 'append' if decode else 'write' if prefill else 'off'
    # Only a `prefix_cache` keeps the encoder's keys and values.
    cross_mode = 'write' if prefill and prefill_lengths is None else 'off'
    if stepping and prefix_mask is not None:
      cross_mode = 'read'
    layer = remat.wrap(DecoderLayer, cfg.remat_policy)
    for i in range(cfg.num_decoder_layers):
      is_last = i == cfg.num_decoder_layers - 1
      y = layer(
          cfg,
          deterministic,
          self_mode,
          cross_mode,
          last_only and not stepping and is_last,
          name=f'layers_{i}',
      )(
          y,
          mask,
          bias,
          encoded,
          encoder_mask,
          index,
          prefix_bias,
          prefix_mask,
          token_mask,
      )
    y = dropout(LayerNorm(dtype=cfg.dtype, name='decoder_norm')(y))
    return self._logits(y, embedding)

  def _logits(self, y: jax.Array, embedding: Embed) -> jax.Array:
    """Maps [rows, length, embed] to logits, float32 [rows, length, vocab]."""
    cfg = self.config
    if cfg.logits_via_embedding:
      return embedding.attend(y) / jnp.sqrt(float(cfg.emb_dim))
    return Dense(
        (cfg.vocab_size,),
        ('embed', 'vocab'),
        dtype=jnp.float32,
        name='logits_dense',
    )(y)
