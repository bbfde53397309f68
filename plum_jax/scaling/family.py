# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Decoder-only networks of all sizes from one number, and PLUM's four.

The number is the depth. Width grows with it, so that a network of twice the
depth has twice the width and eight times the parameters beside the tables:
12 x 32^2 x size^3 with the defaults, 98k for size 2 and 4.2M for size 7.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from plum_jax.artifacts.errors import InputError
from plum_jax.models import flops
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import TransformerConfig


def network(
    size: int,
    vocab_size: int,
    width_per_layer: int = 32,
    head_dim: int = 16,
    mlp_ratio: int = 4,
    dropout_rate: float = 0.0,
    experts: ExpertsConfig | None = None,
) -> TransformerConfig:
  """Returns the member of a family; all proportions are our choice.

  Args:
    size: layers; the width is this times `width_per_layer`.
    vocab_size: rows of the table of embeddings, which is the output layer too.
    width_per_layer: the family's proportion of width to depth.
    head_dim: width of a head, which divides the width.
    mlp_ratio: width of the hidden layers that a token goes through, over the
      network's. With experts, those of a token share it, so that a mixture
      activates as many parameters as the dense member, but for its router.
    dropout_rate: see `networks.config`.
    experts: a mixture of experts; None for a dense family.

  Returns:
    The network's hyper-parameters.

  Raises:
    InputError: the size is no size, or heads or experts do not divide a width.

  >>> config = network(2, vocab_size=640)
  >>> config.emb_dim, config.num_heads, config.mlp_dim
  (64, 4, 256)
  """
  width = size * width_per_layer
  hidden = mlp_ratio * width
  selected = experts.num_selected if experts else 1
  if size < 1 or width % head_dim or hidden % selected:
    raise InputError(
        f'There is no network of size {size}: width {width}, hidden layers of '
        f'{hidden}.',
        where='scaling.family.network',
        expected=f'a size of at least 1, a width that head_dim={head_dim} '
        f'divides and hidden layers that {selected} experts share',
        fix='Correct size, width_per_layer, head_dim or mlp_ratio.',
    )
  return TransformerConfig(
      vocab_size=vocab_size,
      emb_dim=width,
      num_layers=size,
      num_heads=width // head_dim,
      head_dim=head_dim,
      mlp_dim=hidden // selected,
      dropout_rate=dropout_rate,
      logits_via_embedding=True,
      experts=experts,
  )


def resized(config: TransformerConfig, size: int) -> TransformerConfig:
  """Returns another member of the family that a member is of.

  Args:
    config: what `network` has made.
    size: the other's size.

  >>> resized(network(2, 640), 3) == network(3, 640)
  True
  """
  made = network(
      size,
      config.vocab_size,
      width_per_layer=config.emb_dim // config.num_layers,
      head_dim=config.head_dim,
      dropout_rate=config.dropout_rate,
      experts=config.experts,
  )
  hidden = config.mlp_dim * size // config.num_layers
  return dataclasses.replace(made, mlp_dim=hidden)


@dataclasses.dataclass(frozen=True)
class PlumMember:
  """A size of PLUM's scaling study (arXiv 2510.07784, section 5).

  The paper states the activated parameters, the constant learning rates and the
  batches. Layers, widths and experts are our choice: layers of 16 width^2
  activated parameters, 4 in attention and 12 in the two experts of a token,
  each a gated MLP twice as wide as the network.

  Attributes:
    num_layers: layers.
    emb_dim: width.
    learning_rate: the paper's.
    batch_size: the paper's, in examples.
  """

  num_layers: int
  emb_dim: int
  learning_rate: float
  batch_size: int


PLUM: Mapping[str, PlumMember] = {
    '110m': PlumMember(12, 768, 1e-4, 25_600),
    '370m': PlumMember(22, 1024, 7e-5, 15_360),
    '900m': PlumMember(24, 1536, 5e-5, 7_680),
    '3b': PlumMember(28, 2560, 2e-5, 3_584),
}


def plum_network(
    size: str,
    vocab_size: int,
    num_layers: int = 0,
    num_experts: int = 16,
    head_dim: int = 128,
    dtype: str = 'bfloat16',
    remat_policy: str = 'full',
) -> TransformerConfig:
  """Returns a network of PLUM's scaling study; see `PlumMember`.

  Args:
    size: a name of `PLUM`.
    vocab_size: rows of the table of embeddings.
    num_layers: other layers than the preset's; 0 for its own.
    num_experts: of a layer; a token goes through two.
    head_dim: width of a head.
    dtype: see `networks.config`.
    remat_policy: see `networks.config`.

  Raises:
    InputError: there is no such size.
  """
  if size not in PLUM:
    raise InputError(
        f'PLUM has no size {size!r}.',
        where='scaling.family.plum_network',
        expected=f'one of {", ".join(PLUM)}',
        fix='Correct the name.',
    )
  member = PLUM[size]
  return TransformerConfig(
      vocab_size=vocab_size,
      dtype=dtype,
      emb_dim=member.emb_dim,
      num_layers=num_layers or member.num_layers,
      num_heads=member.emb_dim // head_dim,
      head_dim=head_dim,
      mlp_dim=2 * member.emb_dim,
      mlp_activations=('gelu', 'linear'),
      dropout_rate=0.0,
      logits_via_embedding=True,
      remat_policy=remat_policy,
      experts=ExpertsConfig(num_experts=num_experts, num_selected=2),
  )


@dataclasses.dataclass(frozen=True)
class ParameterCount:
  """The parameters of a network.

  Attributes:
    tables: of the table of embeddings, and of an output layer of its own.
    network: all others.
    activated: of these, what one token goes through; `network` if it is dense.
  """

  tables: int
  network: int
  activated: int

  @property
  def total(self) -> int:
    """All parameters."""
    return self.tables + self.network


def count_parameters(config: TransformerConfig) -> ParameterCount:
  """Counts parameters by formula, exactly.

  Args:
    config: the network.

  >>> count_parameters(network(2, vocab_size=640))
  ParameterCount(tables=40960, network=98752, activated=98752)
  """
  width = config.emb_dim
  attention = 4 * width * config.num_heads * config.head_dim
  mlp, experts = flops.mlp_weights(config), config.experts
  norms = 2 * width
  router = width * experts.num_experts if experts else 0
  shared = config.num_layers * (attention + router + norms)
  # Also the last norm and the table of relative positions.
  shared += width + config.num_heads * config.num_relpos_buckets
  all_mlps = experts.num_experts if experts else 1
  met = experts.num_selected if experts else 1
  table = config.vocab_size * width
  return ParameterCount(
      tables=table * (1 if config.logits_via_embedding else 2),
      network=shared + config.num_layers * all_mlps * mlp,
      activated=shared + config.num_layers * met * mlp,
  )


@dataclasses.dataclass(frozen=True)
class TokenFlops:
  """What a position of a row costs; see `models.flops`.

  Attributes:
    forward: of the forward pass, logits included.
    logits: of these, the output layer, the one product with a table: what is
      left without embeddings is `forward - logits`. Looking a row up is free.
  """

  forward: float
  logits: float

  @property
  def backward(self) -> float:
    """Of the backward pass: two products for each of the forward pass."""
    return (flops.TRAINING - 1) * self.forward

  @property
  def training(self) -> float:
    """Of both."""
    return flops.TRAINING * self.forward


def token_flops(
    config: TransformerConfig, length: int, computed: str = ''
) -> TokenFlops:
  """Returns the FLOPs of a position, the mean over a row.

  Args:
    config: the network.
    length: positions of a row; attention looks at all, masked or not.
    computed: see `models.flops.forward`.

  >>> token_flops(network(2, vocab_size=640), 150).logits
  81920.0
  """
  row = flops.forward(
      config,
      batch_size=1,
      encoder_length=0,
      decoder_length=length,
      computed=computed,
  )
  logits = 2 * config.emb_dim * config.vocab_size
  return TokenFlops(row / length, float(logits))
