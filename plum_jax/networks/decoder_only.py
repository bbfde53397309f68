# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The decoder-only network: T5 1.1 layers without an encoder, or Gemma's."""

from __future__ import annotations

from flax import linen as nn
import jax

from plum_jax.networks.config import DecoderOnlyConfig
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.decoder import Decoder
from plum_jax.networks.gemma import GemmaDecoder
from plum_jax.networks.masks import decoder_mask


class DecoderOnly(nn.Module):
  """A language model; arguments are those of T5X's decoder-only network.

  Attributes:
    config: hyper-parameters; their class says which network it is.
  """

  config: DecoderOnlyConfig

  def setup(self):
    """Makes the submodules."""
    if isinstance(self.config, GemmaConfig):
      self.decoder = GemmaDecoder(self.config)
    else:
      self.decoder = Decoder(self.config)

  def __call__(
      self,
      decoder_input_tokens: jax.Array,
      decoder_target_tokens: jax.Array,
      decoder_segment_ids: jax.Array | None = None,
      decoder_positions: jax.Array | None = None,
      decoder_causal_attention: jax.Array | None = None,
      *,
      enable_dropout: bool = True,
      decode: bool = False,
      max_decode_length: int | None = None,
      prefill: bool = False,
      prefill_lengths: jax.Array | None = None,
      prefix_mask: jax.Array | None = None,
      last_only: bool = False,
  ) -> jax.Array:
    """Computes the logits of the next token at each position.

    Args:
      decoder_input_tokens: int32 [rows, length], targets shifted to the right.
      decoder_target_tokens: int32 [rows, length]; 0 is padding. Only used for
        masks, and unused with `decode`.
      decoder_segment_ids: int32 [rows, length], for packed examples.
      decoder_positions: int32 [rows, length], for packed examples; T5's
        relative positions do not need it.
      decoder_causal_attention: int32 [rows, length]; positions that are 1 see
        each other in both directions.
      enable_dropout: whether dropout is on.
      decode: whether to continue from the collection `cache`; see `Decoder`.
      max_decode_length: accepted for T5X's sake; the cache knows its length.
      prefill: whether to store keys and values of the whole input in `cache`.
      prefill_lengths: int32 [rows]: how many positions of an existing cache to
        fill. Without it, the cache is made as long as the input, for use as
        `prefix_cache`.
      prefix_mask: bool [users, prefix_length]: rows are beams that continue
        from the collection `prefix_cache`.
      last_only: whether to compute the logits of the last position alone.

    Returns:
      float32 [rows, length or 1, vocab].
    """
    del max_decode_length
    mask = None
    if not decode:
      mask = decoder_mask(
          decoder_target_tokens, decoder_segment_ids, decoder_causal_attention
      )
    further = {}
    if isinstance(self.config, GemmaConfig):
      further['positions'] = decoder_positions
    elif not decode:
      further['token_mask'] = decoder_target_tokens > 0
    return self.decoder(
        decoder_input_tokens,
        mask,
        **further,
        deterministic=not enable_dropout,
        decode=decode,
        prefill=prefill,
        prefill_lengths=prefill_lengths,
        prefix_mask=prefix_mask,
        last_only=last_only,
    )
