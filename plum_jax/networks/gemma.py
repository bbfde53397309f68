# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The decoder stack of Gemma 3 (arXiv 2503.19786, section 2).

Norms before and after attention and MLP; five local layers, which see a window
of positions, to one global layer; rotary positions with a base for each kind;
fewer heads of keys and values than of queries; a table of embeddings that is
the output layer, too.
"""

from __future__ import annotations

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from plum_jax.networks import cache_position
from plum_jax.networks import remat
from plum_jax.networks import rotary
from plum_jax.networks.attention import MultiHeadAttention
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.layers import Embed
from plum_jax.networks.layers import LayerNorm
from plum_jax.networks.layers import MlpBlock
from plum_jax.networks.masks import within_window


@dataclasses.dataclass(frozen=True)
class _Positions:
  """Where the tokens of a call are.

  Attributes:
    tokens: int32 [rows or 1, length], positions of the call's tokens.
    mask: bool [rows or 1, 1, length, key_length], or None where a cache is only
      made room for; what a global layer sees.
    window: bool [1, 1, length, key_length], the keys of a local layer.
    prefix_mask: bool [users, prefix_length] or None; of global layers.
    prefix_window: bool [1, prefix_length] or None; of local layers.
    index: see `MultiHeadAttention`.
    stepping: whether the call continues from an existing cache.
  """

  tokens: jax.Array
  mask: jax.Array | None
  window: jax.Array
  prefix_mask: jax.Array | None
  prefix_window: jax.Array | None
  index: jax.Array | None
  stepping: bool


class GemmaLayer(nn.Module):
  """Self-attention and MLP, with a norm before and after each.

  Attributes:
    config: the network's hyper-parameters.
    deterministic: whether dropout is off.
    cache_mode: see `MultiHeadAttention`.
    last_only: see `decoder.DecoderLayer`.
  """

  config: GemmaConfig
  deterministic: bool
  cache_mode: str = 'off'
  last_only: bool = False

  @nn.compact
  def __call__(
      self,
      inputs: jax.Array,
      rotation: rotary.Rotation,
      mask: jax.Array | None,
      cache_index: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
  ) -> jax.Array:
    """Maps [rows, length, embed] to the same shape, or to length 1.

    Args:
      inputs: [rows, length, embed].
      rotation: of the inputs' positions, with the base of this layer.
      mask: bool [rows or 1, 1, length, key_length]: what this layer sees.
      cache_index: see `MultiHeadAttention`.
      prefix_mask: bool [users, prefix_length]: what this layer sees of it.

    Returns:
      [rows, length, embed], or [rows, 1, embed] with `last_only`.
    """
    cfg = self.config

    def norm(name):
      return LayerNorm(dtype=cfg.dtype, one_plus_scale=True, name=name)

    def dropout(x):
      return nn.Dropout(cfg.dropout_rate, broadcast_dims=(-2,))(
          x, self.deterministic
      )

    x = norm('pre_self_attention_layer_norm')(inputs)
    queries = x
    if self.last_only:
      inputs, queries = inputs[:, -1:], x[:, -1:]
      mask = None if mask is None else mask[:, :, -1:]
    x = MultiHeadAttention(
        num_heads=cfg.num_heads,
        head_dim=cfg.head_dim,
        dropout_rate=cfg.dropout_rate,
        dtype=cfg.dtype,
        float32_logits=cfg.float32_attention_logits,
        num_kv_heads=cfg.num_kv_heads,
        qk_norm=True,
        query_scale=cfg.query_pre_attn_scalar**-0.5,
        name='self_attention',
    )(
        queries,
        x,
        mask,
        deterministic=self.deterministic,
        cache_mode=self.cache_mode,
        cache_index=cache_index,
        prefix_mask=prefix_mask,
        rotation=rotation,
    )
    x = inputs + dropout(norm('post_self_attention_layer_norm')(x))
    y = norm('pre_mlp_layer_norm')(x)
    y = MlpBlock(
        cfg.mlp_dim,
        cfg.mlp_activations,
        cfg.dropout_rate,
        cfg.dtype,
        name='mlp',
    )(y, self.deterministic)
    return x + dropout(norm('post_mlp_layer_norm')(y))


class GemmaDecoder(nn.Module):
  """Token ids to logits; calls and caches are those of `decoder.Decoder`.

  Attributes:
    config: the network's hyper-parameters.
  """

  config: GemmaConfig

  @nn.compact
  def __call__(
      self,
      decoder_input_tokens: jax.Array,
      mask: jax.Array | None,
      *,
      positions: jax.Array | None = None,
      deterministic: bool = True,
      decode: bool = False,
      prefill: bool = False,
      prefill_lengths: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
      last_only: bool = False,
  ) -> jax.Array:
    """Computes the logits of the next token at each position.

    Args:
      decoder_input_tokens: int32 [rows, length]; 0 stands for `config.bos_id`.
      mask: bool [rows, 1, length, length]; unused with `decode`.
      positions: int32 [rows, length], of packed examples; from 0 in each row if
        None. Unused with `decode` and `prefill`.
      deterministic: see `decoder.Decoder`.
      decode: see `decoder.Decoder`.
      prefill: see `decoder.Decoder`.
      prefill_lengths: see `decoder.Decoder`.
      prefix_mask: see `decoder.Decoder`.
      last_only: see `decoder.Decoder`.

    Returns:
      float32 [rows, length or 1, vocab].
    """
    cfg = self.config
    embedding = Embed(
        cfg.vocab_size,
        cfg.emb_dim,
        cfg.dtype,
        # Both as input, times the root, and as output layer it has unit scale.
        stddev=cfg.emb_dim**-0.5,
        name='token_embedder',
    )
    at = self._positions(
        decoder_input_tokens,
        mask,
        None if prefill else positions,
        decode,
        prefill_lengths,
        prefix_mask,
    )
    rotations = {
        is_global: rotary.rotation(at.tokens, base, cfg.head_dim)
        for is_global, base in (
            (True, cfg.global_rope_base),
            (False, cfg.local_rope_base),
        )
    }
    y = embedding(
        jnp.where(decoder_input_tokens == 0, cfg.bos_id, decoder_input_tokens)
    )
    y = y.astype(cfg.dtype) * jnp.asarray(cfg.emb_dim**0.5, cfg.dtype)
    y = nn.Dropout(cfg.dropout_rate, broadcast_dims=(-2,))(y, deterministic)
    cache_mode = 'append' if decode else 'write' if prefill else 'off'
    layer = remat.wrap(GemmaLayer, cfg.remat_policy)
    for i in range(cfg.num_layers):
      is_global = cfg.is_global(i)
      is_last = i == cfg.num_layers - 1
      y = layer(
          cfg,
          deterministic,
          cache_mode,
          last_only and not at.stepping and is_last,
          name=f'layers_{i}',
      )(
          y,
          rotations[is_global],
          at.mask if is_global else _both(at.mask, at.window),
          at.index,
          at.prefix_mask
          if is_global
          else _both(at.prefix_mask, at.prefix_window),
      )
    y = LayerNorm(dtype=cfg.dtype, one_plus_scale=True, name='decoder_norm')(y)
    return embedding.attend(y)

  def _positions(
      self,
      tokens: jax.Array,
      mask: jax.Array | None,
      positions: jax.Array | None,
      decode: bool,
      prefill_lengths: jax.Array | None,
      prefix_mask: jax.Array | None,
  ) -> _Positions:
    """Finds out where the tokens are, and what they see; see `__call__`."""
    index, length, stepping = cache_position.advance(
        self, tokens, decode, prefill_lengths
    )
    keys = jnp.arange(length)[None, :]
    window = self.config.sliding_window
    if not stepping:
      return _Positions(
          tokens=keys if positions is None or decode else positions,
          mask=mask,
          # Tokens of one example are as far apart as in its row.
          window=within_window(keys, keys, window),
          prefix_mask=None,
          prefix_window=None,
          index=index,
          stepping=False,
      )
    assert index is not None
    queries = jnp.reshape(index, (-1, 1))
    mask = (keys <= queries)[:, None, None, :]
    own_window = within_window(queries, keys, window)
    if prefix_mask is None:
      return _Positions(queries, mask, own_window, None, None, index, True)
    # The prefix ends, in every row, where the own tokens begin.
    prefix_length = prefix_mask.shape[1]
    prefix_window = within_window(
        queries + prefix_length, jnp.arange(prefix_length)[None, :], window
    )
    return _Positions(
        tokens=queries + prefix_length,
        mask=mask,
        window=own_window,
        prefix_mask=prefix_mask,
        prefix_window=prefix_window[:, 0, 0],
        index=index,
        stepping=True,
    )


def _both(one: jax.Array | None, other: jax.Array | None) -> jax.Array | None:
  """Where both masks are true; a mask that is None is true everywhere."""
  if one is None or other is None:
    return other if one is None else one
  shape = jnp.broadcast_shapes(one.shape, other.shape)
  return jnp.broadcast_to(one, shape) & jnp.broadcast_to(other, shape)
