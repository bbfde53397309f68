# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hyper-parameters of the networks, T5's with the field names of T5X."""

from __future__ import annotations

import dataclasses
import math

REMAT_POLICIES = ('none', 'minimal', 'full')


@dataclasses.dataclass(frozen=True)
class LayerConfig:
  """What the layers of all networks share.

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
  remat_policy: str = 'none'

  @property
  def key_value_heads(self) -> int:
    """Heads of keys and values; each serves as many heads of queries."""
    return self.num_heads


@dataclasses.dataclass(frozen=True)
class RelativeConfig(LayerConfig):
  """Layers with T5's position bias; T5 1.1 (arXiv 2002.05202).

  Attributes:
    num_relpos_buckets: buckets of relative positions.
    max_relpos_distance: distance from which all positions share a bucket.
  """

  num_relpos_buckets: int = 32
  max_relpos_distance: int = 128


@dataclasses.dataclass(frozen=True)
class T5Config(RelativeConfig):
  """An encoder-decoder (arXiv 1910.10683).

  Attributes:
    num_encoder_layers: layers of the encoder.
    num_decoder_layers: layers of the decoder.
  """

  num_encoder_layers: int = 6
  num_decoder_layers: int = 6


@dataclasses.dataclass(frozen=True)
class ExpertsConfig:
  """A mixture of experts in the place of each MLP.

  As in Switch (arXiv 2101.03961) and GShard (arXiv 2006.16668). An expert is an
  MLP of `mlp_dim`; a token goes through some of them, chosen by a router. PLUM
  (arXiv 2510.07784) says of its network only that it is one; all numbers here
  are our choice.

  Attributes:
    num_experts: experts of a layer.
    num_selected: experts that each token goes through, the most probable ones.
    train_capacity_factor: an expert takes, of each row, so many times the
      tokens that it would get if all got the same (Switch, section 2.2);
      further ones skip it. 0 lets it take all: nothing is ever dropped, and a
      layer computes num_experts / num_selected times as much as its tokens ask
      for.
    eval_capacity_factor: the same where dropout is off: evaluation, prompts and
      decoding. A single token a row, as in decoding, is never dropped.
    balance_loss: factor of the load-balancing loss of each layer.
    router_z_loss: factor of the mean of squares of the router's normalisers
      (arXiv 2202.08906, section 2.1), of each layer.

  Raises:
    ValueError: a number has no meaning.
  """

  num_experts: int = 8
  num_selected: int = 2
  train_capacity_factor: float = 1.25
  eval_capacity_factor: float = 2.0
  balance_loss: float = 0.01
  router_z_loss: float = 0.0

  def __post_init__(self):
    if not 1 <= self.num_selected <= self.num_experts:
      raise ValueError(
          f'num_selected={self.num_selected} of num_experts='
          f'{self.num_experts}: expected from 1 to all of them.'
      )
    for name in (
        'train_capacity_factor',
        'eval_capacity_factor',
        'balance_loss',
        'router_z_loss',
    ):
      if getattr(self, name) < 0:
        raise ValueError(f'{name}={getattr(self, name)}: expected at least 0.')

  def capacity(self, length: int, *, training: bool) -> int:
    """Returns how many tokens of a row an expert takes.

    Args:
      length: positions of a row.
      training: which of the two factors holds.

    >>> config = ExpertsConfig(num_experts=4, num_selected=2)
    >>> config.capacity(10, training=True), config.capacity(1, training=True)
    (7, 1)
    """
    factor = (
        self.train_capacity_factor if training else self.eval_capacity_factor
    )
    if not factor:
      return length
    share = length * self.num_selected / self.num_experts
    return min(length, math.ceil(share * factor))


@dataclasses.dataclass(frozen=True)
class TransformerConfig(RelativeConfig):
  """A decoder-only network of T5's layers.

  Attributes:
    num_layers: layers.
    experts: a mixture of experts in the place of each MLP; None is dense.
  """

  num_layers: int = 6
  experts: ExpertsConfig | None = None

  @property
  def num_selected_experts(self) -> int:
    """The experts that a token goes through; 0 if the network is dense."""
    return self.experts.num_selected if self.experts else 0

  @property
  def num_decoder_layers(self) -> int:
    """The number of layers, under the name that `T5Config` has for it."""
    return self.num_layers


@dataclasses.dataclass(frozen=True)
class GemmaConfig(LayerConfig):
  """A decoder-only network of Gemma 3 (arXiv 2503.19786, section 2).

  The defaults are the sizes of Gemma 3 270M.

  Attributes:
    num_layers: layers.
    num_kv_heads: heads of keys and values.
    sliding_window: positions that a local layer sees, the query's included.
    global_every: each layer with a number (from 1) that this divides is global,
      the others are local.
    global_rope_base: base of the rotary angles of global layers.
    local_rope_base: base of the rotary angles of local layers.
    query_pre_attn_scalar: attention logits are divided by its root.
    bos_id: the token that begins a text. It stands wherever the input is 0 and
      not padding: before the first token of a sequence.
  """

  vocab_size: int = 262_144
  emb_dim: int = 640
  num_heads: int = 4
  head_dim: int = 256
  mlp_dim: int = 2048
  mlp_activations: tuple[str, ...] = ('gelu', 'linear')
  dropout_rate: float = 0.0
  logits_via_embedding: bool = True
  num_layers: int = 18
  num_kv_heads: int = 1
  sliding_window: int = 512
  global_every: int = 6
  global_rope_base: float = 1e6
  local_rope_base: float = 1e4
  query_pre_attn_scalar: float = 256.0
  bos_id: int = 2

  @property
  def num_decoder_layers(self) -> int:
    """The number of layers, under the name that `T5Config` has for it."""
    return self.num_layers

  @property
  def key_value_heads(self) -> int:
    """Heads of keys and values; each serves as many heads of queries."""
    return self.num_kv_heads

  def is_global(self, layer: int) -> bool:
    """Whether a layer, numbered from 0, sees all positions before it.

    >>> [i for i in range(18) if GemmaConfig().is_global(i)]
    [5, 11, 17]
    """
    return (layer + 1) % self.global_every == 0


RelativeNetworkConfig = T5Config | TransformerConfig
DecoderOnlyConfig = TransformerConfig | GemmaConfig
NetworkConfig = T5Config | DecoderOnlyConfig
