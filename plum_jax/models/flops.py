# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How many FLOPs a generator's network asks for, by formula.

A matrix of N numbers costs 2 N for each vector it is multiplied with, and
attention 4 x heads x kv for each pair of query and key (logits, and the sum of
values). The backward pass costs twice the forward one, so that training takes
6 N a token (arXiv 2001.08361, section 2.1) and three times the attention. Every
position counts, padding and masked pairs too, as the hardware computes them.
The window of Gemma's local layers is a mask, so that it saves nothing here.
Look-ups, norms, dropout and the optimizer are left out.

Of a mixture of experts a token costs its router and the experts that it goes
through: activated parameters. Experts compute empty places, too, as many as
their capacity leaves; `computed` counts these as well.
"""

from __future__ import annotations

from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import NetworkConfig
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig

TRAINING = 3  # Forward once, backward twice.


def forward(
    config: NetworkConfig,
    *,
    batch_size: int,
    encoder_length: int,
    decoder_length: int,
    logits_length: int | None = None,
    computed: str = '',
) -> int:
  """Returns the FLOPs of one forward pass.

  Args:
    config: the network.
    batch_size: rows.
    encoder_length: positions of the encoder; 0 without one.
    decoder_length: positions of the decoder.
    logits_length: positions whose logits are computed; all of the decoder's if
      None.
    computed: `train` or `eval`: with the experts' empty places, as many as the
      capacity of training or evaluation leaves; empty for activated FLOPs.

  Returns:
    FLOPs of all rows.

  >>> from plum_jax.networks.config import TransformerConfig
  >>> config = TransformerConfig(vocab_size=10, emb_dim=2, num_heads=1,
  ...                            head_dim=2, mlp_dim=3, num_layers=1)
  >>> forward(config, batch_size=1, encoder_length=0, decoder_length=1)
  104
  """
  if logits_length is None:
    logits_length = decoder_length
  width = config.num_heads * config.head_dim
  projection = config.emb_dim * width
  weights = _layer_weights(config)

  def attention(queries: int, keys: int) -> int:
    return 4 * width * queries * keys

  layer = 2 * weights * decoder_length
  layer += attention(decoder_length, decoder_length)
  experts = experts_of(config)
  if experts and computed:
    capacity = experts.capacity(decoder_length, training=computed == 'train')
    places = experts.num_experts * capacity
    empty = places - experts.num_selected * decoder_length
    layer += 2 * mlp_weights(config) * empty
  encoder = 0
  if isinstance(config, T5Config):
    # Keys and values are made of every position of the encoder.
    layer += 4 * projection * (decoder_length + encoder_length)
    layer += attention(decoder_length, encoder_length)
    encoder = 2 * weights * encoder_length
    encoder += attention(encoder_length, encoder_length)
    encoder *= config.num_encoder_layers
  logits = 2 * config.emb_dim * config.vocab_size * logits_length
  decoder = config.num_decoder_layers * layer
  return batch_size * (encoder + decoder + logits)


def search(
    config: NetworkConfig,
    *,
    num_users: int,
    beam_size: int,
    prompt_length: int,
    num_levels: int,
) -> int:
  """Returns the FLOPs of a beam search after its prompt was computed.

  Args:
    config: the network.
    num_users: users.
    beam_size: beams of each.
    prompt_length: positions of the prompt that the beams look at.
    num_levels: SID tokens of an item; the first comes with the prompt, so that
      the network runs num_levels - 1 times.

  Returns:
    FLOPs of all steps and users.
  """
  steps = num_levels - 1
  width = config.num_heads * config.head_dim
  projection = config.emb_dim * width
  layer = 2 * _layer_weights(config) + 4 * width * (prompt_length + steps)
  if isinstance(config, T5Config):
    # Of the cross-attention, the query and the output; and the start token.
    layer += 4 * projection + 4 * width
  logits = 2 * config.emb_dim * config.vocab_size
  return (
      num_users
      * beam_size
      * steps
      * (config.num_decoder_layers * layer + logits)
  )


def experts_of(config: NetworkConfig) -> ExpertsConfig | None:
  """Returns the mixture of experts of a network; None if it is dense."""
  return config.experts if isinstance(config, TransformerConfig) else None


def mlp_weights(config: NetworkConfig) -> int:
  """Numbers in the matrices of an MLP, or of one expert."""
  return config.emb_dim * config.mlp_dim * (len(config.mlp_activations) + 1)


def _layer_weights(config: NetworkConfig) -> int:
  """Numbers that a vector meets in a layer, cross-attention left out."""
  heads = 2 * config.num_heads + 2 * config.key_value_heads
  attention = config.emb_dim * config.head_dim * heads
  experts = experts_of(config)
  if experts is None:
    return attention + mlp_weights(config)
  router = config.emb_dim * experts.num_experts
  return attention + router + experts.num_selected * mlp_weights(config)
