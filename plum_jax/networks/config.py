# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hyper-parameters of the networks, with the field names of T5X."""

from __future__ import annotations

import dataclasses

REMAT_POLICIES = ('none', 'minimal', 'full')


@dataclasses.dataclass(frozen=True)
class LayerConfig:
  """What the layers of both networks share; T5 1.1 (arXiv 2002.05202).

  Attributes:
    vocab_size: rows of the embedding table; SID tokens included, padding up to
      a multiple of 128 included.
    dtype: of activations, `float32` or `bfloat16`; parameters are float32.
    emb_dim: width of the residual stream.
    num_heads: attention heads.
    head_dim: width of a head; need not be emb_dim / num_heads.
    mlp_dim: width of the hidden layer of an MLP.
    mlp_activations: one activation, or several whose outputs are multiplied;
      T5 1.1 is `('gelu', 'linear')`, TIGER `('relu',)`.
    dropout_rate: of embeddings, attention weights, hidden layers and outputs.
    logits_via_embedding: whether the output layer is the embedding table.
    float32_attention_logits: whether attention logits are float32 whatever
      `dtype` is.
    num_relpos_buckets: buckets of relative positions.
    max_relpos_distance: distance from which all positions share a bucket.
    remat_policy: what the backward pass computes again instead of keeping:
      `none`, `minimal` (all but matrix products) or `full` (whole layers).
  """

  vocab_size: int
  dtype: str = 'float32'
  emb_dim: int = 512
  num_heads: int = 8
  head_dim: int = 64
  mlp_dim: int = 2048
  mlp_activations: tuple[str, ...] = ('relu',)
  dropout_rate: float = 0.1
  logits_via_embedding: bool = False
  float32_attention_logits: bool = False
  num_relpos_buckets: int = 32
  max_relpos_distance: int = 128
  remat_policy: str = 'none'


@dataclasses.dataclass(frozen=True)
class T5Config(LayerConfig):
  """An encoder-decoder (arXiv 1910.10683).

  Attributes:
    num_encoder_layers: layers of the encoder.
    num_decoder_layers: layers of the decoder.
  """

  num_encoder_layers: int = 6
  num_decoder_layers: int = 6


@dataclasses.dataclass(frozen=True)
class TransformerConfig(LayerConfig):
  """A decoder-only network.

  Attributes:
    num_layers: layers.
  """

  num_layers: int = 6

  @property
  def num_decoder_layers(self) -> int:
    """The number of layers, under the name that `T5Config` has for it."""
    return self.num_layers


NetworkConfig = T5Config | TransformerConfig
