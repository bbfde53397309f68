# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The encoder-decoder generator: TIGER's kind (arXiv 2305.05065)."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp

from plum_jax.models import generation
from plum_jax.models import item_search
from plum_jax.models import losses
from plum_jax.networks.config import T5Config
from plum_jax.networks.encoder_decoder import Transformer

Batch = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class EncoderDecoderModel(item_search.ItemSearch):
  """Loss of the targets given the inputs, and constrained decoding.

  Attributes:
    config: the network's hyper-parameters.
    label_smoothing: see `losses.token_cross_entropy`.
    z_loss: see `losses.token_cross_entropy`.
  """

  config: T5Config
  label_smoothing: float = 0.0
  z_loss: float = 0.0

  @property
  def network(self) -> Transformer:
    """The Flax module."""
    return Transformer(self.config)

  def init(self, rng: jax.Array, batch: Batch) -> Mapping[str, Any]:
    """Initialises `params` and `params_axes`; see `training.protocols`."""
    inputs = jnp.zeros(batch['encoder_input_tokens'].shape, jnp.int32)
    targets = jnp.zeros(batch['decoder_input_tokens'].shape, jnp.int32)
    return self.network.init(
        {'params': rng}, inputs, targets, targets, enable_dropout=False
    )

  def loss_fn(self, params: Any, batch: Batch, rng: jax.Array | None):
    """Computes the loss of `decoder_target_tokens`.

    Args:
      params: the collection `params`.
      batch: `encoder_input_tokens` int32 [batch, encoder_length],
        `decoder_input_tokens` and `decoder_target_tokens` int32 [batch,
        length]; if packed, `encoder_segment_ids` and `decoder_segment_ids`;
        `decoder_loss_weights`, by default 1 for all that is not padding.
      rng: key for dropout; None turns it off.

    Returns:
      See `training.protocols.Model.loss_fn`.
    """
    logits = self.network.apply(
        {'params': params},
        batch['encoder_input_tokens'],
        batch['decoder_input_tokens'],
        batch['decoder_target_tokens'],
        encoder_segment_ids=batch.get('encoder_segment_ids'),
        decoder_segment_ids=batch.get('decoder_segment_ids'),
        enable_dropout=rng is not None,
        rngs=None if rng is None else {'dropout': rng},
    )
    return losses.weighted_sums(
        cast(jax.Array, logits),
        batch['decoder_target_tokens'],
        batch.get('decoder_loss_weights'),
        label_smoothing=self.label_smoothing,
        z_loss=self.z_loss,
    )

  def prefill(self, params: Any, batch: Batch) -> generation.Prompt:
    """Runs the encoder, and the start token through the decoder.

    The projections of the encoder's output to keys and values are made here,
    once a user.

    Args:
      params: the collection `params`.
      batch: `encoder_input_tokens` int32 [batch, encoder_length].

    Returns:
      What the beams need of it; the mask is that of the inputs.
    """
    network = self.network
    inputs = jnp.asarray(batch['encoder_input_tokens'])
    encoded = network.apply(
        {'params': params},
        inputs,
        enable_dropout=False,
        method=network.encode,
    )
    start = jnp.zeros((inputs.shape[0], 1), jnp.int32)
    logits, cache = self._decode(
        {'params': params},
        encoded,
        inputs,
        start,
        jnp.ones_like(start),
        prefill=True,
    )
    return generation.Prompt(logits, cache, inputs > 0)

  def continuation(
      self, params: Any, prompt: generation.Prompt
  ) -> generation.Continuation:
    """Goes on from inputs that were encoded.

    Args:
      params: the collection `params`.
      prompt: what `prefill` returned.

    Returns:
      What searches and scores are made with.
    """
    # Of the inputs only the mask is read, and of the encoder's output the
    # length: its keys and values are in the cache.
    inputs = prompt.mask.astype(jnp.int32)
    encoded = jnp.zeros((*inputs.shape, self.config.emb_dim), self.config.dtype)
    start = jnp.zeros((inputs.shape[0], 1), bool)
    shared = {'params': params, 'prefix_cache': prompt.cache}
    return generation.Continuation(
        prompt.logits,
        lambda room: self._decode(
            {'params': params}, encoded, inputs, room, room, decode=True
        )[1],
        lambda rows, cache: self._decode(
            {**shared, 'cache': cache},
            encoded,
            inputs,
            rows,
            rows,
            decode=True,
            prefix_mask=~start,
        ),
    )

  def _decode(self, variables, encoded, inputs, tokens, targets, **kwargs):
    logits, changed = self.network.apply(
        variables,
        encoded,
        inputs,
        tokens,
        targets,
        enable_dropout=False,
        mutable=['cache'],
        method=self.network.decode,
        **kwargs,
    )
    return logits, changed['cache']
