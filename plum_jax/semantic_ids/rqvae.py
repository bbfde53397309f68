# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""RQ-VAE: encoders, a residual quantizer and decoders, as one Linen module."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import flax.linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import residual_quantizer
from plum_jax.semantic_ids.tokenizer import Embeddings
from plum_jax.semantic_ids.tokenizer import Present


@dataclasses.dataclass(frozen=True)
class RqvaeConfig:
  """Sizes of an RQ-VAE. The defaults are TIGER's (section 4.1).

  Attributes:
    codebook_sizes: codes per level; sizes may differ.
    hidden_sizes: widths of the encoder's hidden layers; the decoder's are the
      same in reverse. ReLU follows each.
    latent_size: width of what is quantized.
    beta: weight of the commitment loss.
    standardize: shift and scale each modality so that its mean is 0 and the
      mean squared norm of its vectors is 1. Learning rates then mean the same
      for all embeddings, and reconstruction error is the share of variance
      that is lost: our choice, no source states its input scaling.
    progressive_masking: decode only the first r levels, r drawn anew from 1
      to L in each training step (PLUM, section on Semantic IDs), so that early
      levels learn to say the most.
    contrastive_weight: weight of the loss that draws the Semantic IDs of items
      together that occur together; 0 is without. PLUM states no weight.
    projection_size: width of the projection that this loss compares; PLUM
      states none.
    temperature: what its products are divided by; PLUM prints none, which is 1.
  """

  codebook_sizes: tuple[int, ...] = (256, 256, 256)
  hidden_sizes: tuple[int, ...] = (512, 256, 128)
  latent_size: int = 32
  beta: float = 0.25
  standardize: bool = True
  progressive_masking: bool = False
  contrastive_weight: float = 0.0
  projection_size: int = 32
  temperature: float = 1.0

  def __post_init__(self):
    for name in ('codebook_sizes', 'hidden_sizes'):
      sizes = tuple(int(size) for size in getattr(self, name))
      object.__setattr__(self, name, sizes)
      if any(size < 1 for size in sizes):
        _refuse(name, sizes, 'positive numbers')
    if not self.codebook_sizes:
      _refuse('codebook_sizes', self.codebook_sizes, 'at least one level')
    for name in ('latent_size', 'projection_size', 'temperature'):
      if not getattr(self, name) > 0:
        _refuse(name, getattr(self, name), 'a positive number')
    for name in ('beta', 'contrastive_weight'):
      if not getattr(self, name) >= 0:
        _refuse(name, getattr(self, name), 'a number of at least 0')

  @property
  def num_levels(self) -> int:
    """Number of levels, without the disambiguation code."""
    return len(self.codebook_sizes)

  @property
  def contrastive(self) -> bool:
    """Whether training reads which items occur together."""
    return self.contrastive_weight > 0


def _refuse(name: str, value: object, expected: str) -> None:
  raise InputError(
      f'{name} = {value} cannot be used.',
      where=f'RqvaeConfig.{name}',
      expected=expected,
      fix='Correct the configuration.',
  )


class Losses(NamedTuple):
  """Losses of each item, [batch], that need no other item.

  Attributes:
    reconstruction: sum over modalities of ||x_m - x̂_m||², decoded from the
      first levels alone where later ones are masked.
    quantization: codebook and commitment loss over all levels.
  """

  reconstruction: jax.Array
  quantization: jax.Array


class Outputs(NamedTuple):
  """What a forward pass gives.

  Attributes:
    z: [batch, latent], the encoded items before quantization.
    quantized: codes, residuals, codewords and straight-through sum.
    losses: per item.
    reconstruction_error: [batch], the reconstruction loss of all levels.
    projected: [batch, projection], the quantized items as the contrastive loss
      compares them; None where there is none.
  """

  z: jax.Array
  quantized: residual_quantizer.Quantized
  losses: Losses
  reconstruction_error: jax.Array
  projected: jax.Array | None = None


class Mlp(nn.Module):
  """Dense layers with ReLU between them.

  Attributes:
    sizes: width after each layer; the last has no ReLU.
    input_axis: logical axis of the input.
    output_axis: logical axis of the output, unless the axis before it has the
      same name.
  """

  sizes: tuple[int, ...]
  input_axis: str
  output_axis: str

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Maps [batch, width] to [batch, sizes[-1]]."""
    hidden = inputs
    last = len(self.sizes) - 1
    axis = self.input_axis
    for i, size in enumerate(self.sizes):
      # Alternating names, so that no rule cuts both sides of a kernel.
      other_axis = 'embed' if axis == 'mlp' else 'mlp'
      ends = i == last and axis != self.output_axis
      axes = (axis, self.output_axis if ends else other_axis)
      axis = axes[1]
      kernel = partitioning.param_with_axes(
          f'kernel_{i + 1}',
          nn.initializers.he_normal(),
          (hidden.shape[-1], size),
          axes=axes,
      )
      bias = partitioning.param_with_axes(
          f'bias_{i + 1}', nn.initializers.zeros, (size,), axes=axes[1:]
      )
      hidden = hidden @ kernel + bias[None, :]
      if i < last:
        hidden = nn.relu(hidden)
    return hidden


class Rqvae(nn.Module):
  """Encodes items, quantizes them and decodes them again.

  Each modality has its own encoder; the outputs are concatenated and projected
  to z; each modality has its own decoder (PLUM, section on Semantic IDs). With
  one modality there is no projection, which is TIGER's RQ-VAE.

  An item that lacks a modality is masked: a learned vector takes the place of
  the encoder's output, and the modality adds nothing to its loss.

  Attributes:
    config: sizes.
    modality_sizes: (name, embedding width) of each modality.
  """

  config: RqvaeConfig
  modality_sizes: tuple[tuple[str, int], ...]

  def setup(self):
    """Makes the parts; Linen calls it."""
    config = self.config
    encoder_sizes = (*config.hidden_sizes, config.latent_size)
    self.encoders = {
        name: Mlp(encoder_sizes, 'embed', 'latent', name=f'encoder_{name}')
        for name, _ in self.modality_sizes
    }
    decoder_sizes = config.hidden_sizes[::-1]
    self.decoders = {
        name: Mlp(
            (*decoder_sizes, size), 'latent', 'embed', name=f'decoder_{name}'
        )
        for name, size in self.modality_sizes
    }
    if len(self.modality_sizes) > 1:
      self.projection = Mlp(
          (config.latent_size,), 'embed', 'latent', name='projection'
      )
      self.missing = {
          name: partitioning.param_with_axes(
              f'missing_{name}',
              nn.initializers.normal(0.02),
              (config.latent_size,),
              axes=('latent',),
          )
          for name, _ in self.modality_sizes
      }
    if config.contrastive:
      self.contrastive_head = Mlp(
          (config.projection_size,), 'latent', 'embed', name='contrastive_head'
      )
    self.codebooks = tuple(
        partitioning.param_with_axes(
            f'codebook_{level + 1}',
            # k-means sets them before training.
            nn.initializers.zeros,
            (size, config.latent_size),
            axes=('code', 'latent'),
        )
        for level, size in enumerate(config.codebook_sizes)
    )
    self.means = {
        name: self.variable(
            'statistics',
            f'mean_{name}',
            functools.partial(jnp.zeros, (size,)),
        )
        for name, size in self.modality_sizes
    }
    self.scales = {
        name: self.variable(
            'statistics', f'scale_{name}', functools.partial(jnp.ones, ())
        )
        for name, _ in self.modality_sizes
    }

  def standardize(
      self, embeddings: Embeddings, present: Present
  ) -> dict[str, jax.Array]:
    """Shifts and scales each modality; absent rows become 0."""
    return {
        name: jnp.where(
            present[name][:, None],
            (embeddings[name] - self.means[name].value[None, :])
            * self.scales[name].value,
            0.0,
        )
        for name, _ in self.modality_sizes
    }

  def encode(self, embeddings: Embeddings, present: Present) -> jax.Array:
    """Encodes items.

    Args:
      embeddings: [batch, dim] per modality.
      present: bool [batch] per modality; False where an item lacks it.

    Returns:
      z [batch, latent].
    """
    return self._encode(self.standardize(embeddings, present), present)

  def _encode(self, standardized: Embeddings, present: Present) -> jax.Array:
    encoded = []
    for name, _ in self.modality_sizes:
      hidden = self.encoders[name](standardized[name])
      if len(self.modality_sizes) > 1:
        hidden = jnp.where(
            present[name][:, None], hidden, self.missing[name][None, :]
        )
      encoded.append(hidden)
    if len(encoded) == 1:
      return encoded[0]
    return self.projection(jnp.concatenate(encoded, axis=-1))

  def decode(self, quantized: jax.Array) -> dict[str, jax.Array]:
    """Decodes [batch, latent] to standardized [batch, dim] per modality."""
    return {
        name: self.decoders[name](quantized) for name, _ in self.modality_sizes
    }

  def __call__(
      self,
      embeddings: Embeddings,
      present: Present,
      kept_levels: jax.Array | None = None,
  ) -> Outputs:
    """Encodes, quantizes and decodes.

    Args:
      embeddings: [batch, dim] per modality.
      present: bool [batch] per modality.
      kept_levels: int scalar, how many levels to decode for the loss; None for
        all.

    Returns:
      See `Outputs`.
    """
    targets = self.standardize(embeddings, present)
    z = self._encode(targets, present)
    quantized = residual_quantizer.quantize(z, self.codebooks)
    error = reconstruction_error(
        targets, self.decode(quantized.quantized), present
    )
    reconstruction = error
    if kept_levels is not None:
      kept = residual_quantizer.first_levels(
          z, quantized.codewords, kept_levels
      )
      reconstruction = reconstruction_error(targets, self.decode(kept), present)
    projected = None
    if self.config.contrastive:
      projected = self.contrastive_head(quantized.quantized)
    return Outputs(
        z=z,
        quantized=quantized,
        losses=Losses(
            reconstruction=reconstruction,
            quantization=residual_quantizer.quantization_loss(
                quantized, self.config.beta
            ),
        ),
        reconstruction_error=error,
        projected=projected,
    )

  def assign(
      self, embeddings: Embeddings, present: Present
  ) -> tuple[jax.Array, jax.Array]:
    """Gives codes, and how much is lost when only the first ones are kept.

    Args:
      embeddings: [batch, dim] per modality.
      present: bool [batch] per modality.

    Returns:
      Codes int32 [batch, num_levels]; and [batch, num_levels], the squared
      reconstruction error from the first 1, 2, ... levels.
    """
    targets = self.standardize(embeddings, present)
    z = self._encode(targets, present)
    quantized = residual_quantizer.quantize(z, self.codebooks)
    sums = residual_quantizer.prefix_sums(quantized.codewords)
    errors = [
        reconstruction_error(targets, self.decode(sums[:, level]), present)
        for level in range(self.config.num_levels)
    ]
    return quantized.codes, jnp.stack(errors, axis=1)


def reconstruction_error(
    targets: Embeddings, decoded: Embeddings, present: Present
) -> jax.Array:
  """Sums ||x_m - x̂_m||² over the modalities that an item has.

  Args:
    targets: [batch, dim] per modality.
    decoded: [batch, dim] per modality.
    present: bool [batch] per modality.

  Returns:
    [batch].

  >>> reconstruction_error(
  ...     {'text': jnp.array([[1.0, 2.0]])}, {'text': jnp.zeros((1, 2))},
  ...     {'text': jnp.array([True])}).tolist()
  [5.0]
  """
  errors = [
      jnp.where(
          present[name], jnp.sum(jnp.square(target - decoded[name]), -1), 0.0
      )
      for name, target in targets.items()
  ]
  return functools.reduce(jnp.add, errors)
