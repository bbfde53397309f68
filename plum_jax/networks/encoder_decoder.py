# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The T5 1.1 encoder-decoder (arXiv 1910.10683, 2002.05202)."""

from __future__ import annotations

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.networks import remat
from plum_jax.networks.attention import MultiHeadAttention
from plum_jax.networks.config import T5Config
from plum_jax.networks.decoder import Decoder
from plum_jax.networks.layers import Embed
from plum_jax.networks.layers import LayerNorm
from plum_jax.networks.layers import MlpBlock
from plum_jax.networks.masks import attention_mask
from plum_jax.networks.masks import decoder_mask
from plum_jax.networks.relative_position import RelativePositionBias


class EncoderLayer(nn.Module):
  """Self-attention in both directions and an MLP.

  Attributes:
    config: the network's hyper-parameters.
    deterministic: whether dropout is off.
  """

  config: T5Config
  deterministic: bool

  @nn.compact
  def __call__(
      self, inputs: jax.Array, mask: jax.Array, bias: jax.Array
  ) -> jax.Array:
    """Maps [batch, length, embed] to the same shape."""
    cfg = self.config

    def dropout(x):
      return nn.Dropout(cfg.dropout_rate, broadcast_dims=(-2,))(
          x, self.deterministic
      )

    x = LayerNorm(dtype=cfg.dtype, name='pre_attention_layer_norm')(inputs)
    x = MultiHeadAttention(
        num_heads=cfg.num_heads,
        head_dim=cfg.head_dim,
        dropout_rate=cfg.dropout_rate,
        dtype=cfg.dtype,
        float32_logits=cfg.float32_attention_logits,
        name='attention',
    )(x, x, mask, bias, deterministic=self.deterministic)
    x = dropout(x) + inputs
    y = LayerNorm(dtype=cfg.dtype, name='pre_mlp_layer_norm')(x)
    y = MlpBlock(
        cfg.mlp_dim,
        cfg.mlp_activations,
        cfg.dropout_rate,
        cfg.dtype,
        name='mlp',
    )(y, self.deterministic)
    return dropout(y) + x


class Encoder(nn.Module):
  """Token ids to vectors.

  Attributes:
    config: the network's hyper-parameters.
    shared_embedding: the table that the decoder uses too.
  """

  config: T5Config
  shared_embedding: Embed

  @nn.compact
  def __call__(
      self,
      encoder_input_tokens: jax.Array,
      mask: jax.Array,
      deterministic: bool,
  ) -> jax.Array:
    """Encodes int32 [batch, length] as [batch, length, embed]."""
    cfg = self.config
    bias = RelativePositionBias(
        cfg.num_heads,
        cfg.num_relpos_buckets,
        cfg.max_relpos_distance,
        bidirectional=True,
        dtype=cfg.dtype,
        name='relpos_bias',
    ).of_sequence(encoder_input_tokens.shape[1])
    x = self.shared_embedding(encoder_input_tokens)
    x = nn.Dropout(cfg.dropout_rate, broadcast_dims=(-2,))(x, deterministic)
    x = x.astype(cfg.dtype)
    layer = remat.wrap(EncoderLayer, cfg.remat_policy)
    for i in range(cfg.num_encoder_layers):
      x = layer(cfg, deterministic, name=f'layers_{i}')(x, mask, bias)
    x = LayerNorm(dtype=cfg.dtype, name='encoder_norm')(x)
    return nn.Dropout(cfg.dropout_rate)(x, deterministic)


class Transformer(nn.Module):
  """The encoder-decoder; methods and arguments are those of T5X.

  Attributes:
    config: hyper-parameters.
  """

  config: T5Config

  def setup(self):
    """Makes the submodules."""
    cfg = self.config
    self.token_embedder = Embed(cfg.vocab_size, cfg.emb_dim, cfg.dtype)
    self.encoder = Encoder(cfg, self.token_embedder)
    self.decoder = Decoder(cfg, self.token_embedder)

  def encode(
      self,
      encoder_input_tokens: jax.Array,
      encoder_segment_ids: jax.Array | None = None,
      enable_dropout: bool = True,
  ) -> jax.Array:
    """Encodes the inputs.

    Args:
      encoder_input_tokens: int32 [batch, length]; 0 is padding.
      encoder_segment_ids: int32 [batch, length], for packed examples.
      enable_dropout: whether dropout is on.

    Returns:
      [batch, length, embed].
    """
    real = encoder_input_tokens > 0
    mask = attention_mask(real, real)
    if encoder_segment_ids is not None:
      mask = mask & attention_mask(
          encoder_segment_ids, encoder_segment_ids, jnp.equal
      )
    return self.encoder(encoder_input_tokens, mask, not enable_dropout)

  def decode(
      self,
      encoded: jax.Array,
      encoder_input_tokens: jax.Array,
      decoder_input_tokens: jax.Array,
      decoder_target_tokens: jax.Array,
      encoder_segment_ids: jax.Array | None = None,
      decoder_segment_ids: jax.Array | None = None,
      decoder_positions: jax.Array | None = None,
      enable_dropout: bool = True,
      decode: bool = False,
      max_decode_length: int | None = None,
      prefill: bool = False,
      prefill_lengths: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
  ) -> jax.Array:
    """Computes logits of the targets, given the encoded inputs.

    Args:
      encoded: [rows, encoder_length, embed]. With `prefix_mask`: [users,
        encoder_length, embed], unused but for its length.
      encoder_input_tokens: int32 [rows, or users with `prefix_mask`,
        encoder_length]; 0 is padding.
      decoder_input_tokens: int32 [rows, length], targets shifted to the right.
      decoder_target_tokens: int32 [rows, length]; 0 is padding. Unused with
        `decode`.
      encoder_segment_ids: int32 [rows, encoder_length], for packed examples.
      decoder_segment_ids: int32 [rows, length], for packed examples.
      decoder_positions: accepted for T5X's sake; relative positions do not need
        it.
      enable_dropout: whether dropout is on.
      decode: whether to continue from the collection `cache`; see `Decoder`.
      max_decode_length: accepted for T5X's sake; the cache knows its length.
      prefill: whether to store keys and values of the whole input in `cache`.
      prefill_lengths: int32 [rows]: how many positions of an existing cache to
        fill. Without it, keys and values of encoder and decoder are stored, for
        later steps to use as `prefix_cache`.
      prefix_mask: bool [users, prefix_length]: rows are beams that continue
        from the collection `prefix_cache`.

    Returns:
      float32 [rows, length, vocab].

    Raises:
      ValueError: packed examples are to be decoded.
    """
    del decoder_positions, max_decode_length
    if decode and encoder_segment_ids is not None:
      raise ValueError('Packed examples cannot be decoded step by step.')
    real_inputs = encoder_input_tokens > 0
    mask = None
    if prefix_mask is not None:
      encoder_mask = real_inputs
    elif decode or prefill:
      # A step has no targets yet, so every query is real.
      queries = jnp.ones_like(decoder_input_tokens, dtype=bool)
      encoder_mask = attention_mask(queries, real_inputs)
    else:
      encoder_mask = attention_mask(decoder_target_tokens > 0, real_inputs)
    if not decode:
      mask = decoder_mask(decoder_target_tokens, decoder_segment_ids)
      if encoder_segment_ids is not None and decoder_segment_ids is not None:
        encoder_mask = encoder_mask & attention_mask(
            decoder_segment_ids, encoder_segment_ids, jnp.equal
        )
    return self.decoder(
        decoder_input_tokens,
        mask,
        encoded,
        encoder_mask,
        deterministic=not enable_dropout,
        decode=decode,
        prefill=prefill,
        prefill_lengths=prefill_lengths,
        prefix_mask=prefix_mask,
    )

  def __call__(
      self,
      encoder_input_tokens: jax.Array,
      decoder_input_tokens: jax.Array,
      decoder_target_tokens: jax.Array,
      encoder_segment_ids: jax.Array | None = None,
      decoder_segment_ids: jax.Array | None = None,
      encoder_positions: jax.Array | None = None,
      decoder_positions: jax.Array | None = None,
      *,
      enable_dropout: bool = True,
      decode: bool = False,
  ) -> jax.Array:
    """Encodes and decodes; see `encode` and `decode` for the arguments."""
    del encoder_positions
    encoded = self.encode(
        encoder_input_tokens, encoder_segment_ids, enable_dropout
    )
    return self.decode(
        encoded,
        encoder_input_tokens,
        decoder_input_tokens,
        decoder_target_tokens,
        encoder_segment_ids,
        decoder_segment_ids,
        decoder_positions,
        enable_dropout,
        decode,
    )
