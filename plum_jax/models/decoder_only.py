# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The decoder-only generator: PLUM's kind (arXiv 2510.07784)."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp

from plum_jax.models import generation
from plum_jax.models import item_search
from plum_jax.models import losses
from plum_jax.models import routing_loss
from plum_jax.networks.config import DecoderOnlyConfig
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import TransformerConfig
from plum_jax.networks.decoder_only import DecoderOnly

Batch = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class DecoderOnlyModel(item_search.ItemSearch):
  """Next-token loss, and constrained decoding after a prompt.

  Attributes:
    config: the network's hyper-parameters; their class says which it is.
    label_smoothing: see `losses.token_cross_entropy`.
    z_loss: see `losses.token_cross_entropy`.
    inputs_bidirectional_attention: whether the tokens that
      `decoder_causal_attention` marks see each other in both directions.
    loss_tokens: the loss is on targets from the first of these tokens up to,
      not including, the second, such as the SID tokens; None is all of them.
  """

  config: DecoderOnlyConfig
  label_smoothing: float = 0.0
  z_loss: float = 0.0
  inputs_bidirectional_attention: bool = False
  loss_tokens: tuple[int, int] | None = None

  @property
  def network(self) -> DecoderOnly:
    """The Flax module."""
    return DecoderOnly(self.config)

  @property
  def experts(self) -> ExpertsConfig | None:
    """The mixture of experts of the network, if it has one."""
    if isinstance(self.config, TransformerConfig):
      return self.config.experts
    return None

  def init(self, rng: jax.Array, batch: Batch) -> Mapping[str, Any]:
    """Initialises `params` and `params_axes`; see `training.protocols`."""
    shape = batch['decoder_input_tokens'].shape
    tokens = jnp.zeros(shape, jnp.int32)
    return self.network.init(
        {'params': rng}, tokens, tokens, enable_dropout=False
    )

  def loss_fn(self, params: Any, batch: Batch, rng: jax.Array | None):
    """Computes the loss of `decoder_target_tokens`.

    Args:
      params: the collection `params`.
      batch: `decoder_input_tokens`, `decoder_target_tokens` int32 [batch,
        length]; if packed, `decoder_segment_ids` and `decoder_positions`;
        `decoder_loss_weights`, by default 1 for all that is not padding;
        `decoder_causal_attention`, for `inputs_bidirectional_attention`.
      rng: key for dropout; None turns it off.

    Returns:
      See `training.protocols.Model.loss_fn`. With experts, the loss includes
      their auxiliary losses, and further sums tell them; see
      `routing_loss.routing_sums`.
    """
    causal_attention = None
    if self.inputs_bidirectional_attention:
      causal_attention = batch['decoder_causal_attention']
    output = self.network.apply(
        {'params': params},
        batch['decoder_input_tokens'],
        batch['decoder_target_tokens'],
        decoder_segment_ids=batch.get('decoder_segment_ids'),
        decoder_positions=batch.get('decoder_positions'),
        decoder_causal_attention=causal_attention,
        enable_dropout=rng is not None,
        rngs=None if rng is None else {'dropout': rng},
        mutable=['intermediates'] if self.experts else False,
    )
    logits, sown = output if self.experts else (output, {})
    targets, weights = batch['decoder_target_tokens'], self._weights(batch)
    loss_sum, sums = losses.weighted_sums(
        cast(jax.Array, logits),
        targets,
        weights,
        label_smoothing=self.label_smoothing,
        z_loss=self.z_loss,
    )
    if not self.experts:
      return loss_sum, sums
    if weights is None:
      weights = targets > 0
    routing, further = routing_loss.routing_sums(
        routing_loss.of_layers(sown['intermediates']),
        weights.astype(jnp.float32).sum(axis=1),
        self.experts,
    )
    loss_sum += routing
    return loss_sum, sums | further | {'loss': (loss_sum, sums['loss'][1])}

  def _weights(self, batch: Batch) -> jax.Array | None:
    """Returns the weight of each target's loss; None is the default."""
    weights = batch.get('decoder_loss_weights')
    if self.loss_tokens is None:
      return weights
    targets = batch['decoder_target_tokens']
    first, end = self.loss_tokens
    counted = (targets >= first) & (targets < end)
    return counted if weights is None else counted * weights

  def prefill(self, params: Any, batch: Batch) -> generation.Prompt:
    """Runs each prompt through the network, once a user.

    Args:
      params: the collection `params`.
      batch: `prompt_tokens` int32 [batch, length], from the left, and
        `prompt_lengths` int32 [batch].

    Returns:
      What the beams need of it.
    """
    tokens, prefix_mask = generation.right_align(
        batch['prompt_tokens'], batch['prompt_lengths']
    )
    # The mask is read off the targets, where the start token is not 0.
    prompt_mask = prefix_mask.astype(jnp.int32)
    logits, cache = self._apply(
        {'params': params},
        tokens,
        prompt_mask,
        decoder_causal_attention=(
            prompt_mask if self.inputs_bidirectional_attention else None
        ),
        prefill=True,
        last_only=True,
    )
    return generation.Prompt(logits, cache, prefix_mask)

  def continuation(
      self, params: Any, prompt: generation.Prompt
  ) -> generation.Continuation:
    """Goes on from prompts that were computed.

    Args:
      params: the collection `params`.
      prompt: what `prefill` returned.

    Returns:
      What searches and scores are made with.
    """
    shared = {'params': params, 'prefix_cache': prompt.cache}
    return generation.Continuation(
        prompt.logits,
        lambda room: self._apply({'params': params}, room, room, decode=True)[
            1
        ],
        lambda rows, cache: self._apply(
            {**shared, 'cache': cache},
            rows,
            rows,
            decode=True,
            prefix_mask=prompt.mask,
        ),
    )

  def _apply(self, variables, tokens, targets, **kwargs):
    logits, changed = self.network.apply(
        variables,
        tokens,
        targets,
        enable_dropout=False,
        mutable=['cache'],
        **kwargs,
    )
    return logits, changed['cache']
