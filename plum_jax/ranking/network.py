# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The network of the ranker: shared bottom, mixture of experts, towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses

from flax import linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp

from plum_jax.artifacts.errors import InputError
from plum_jax.ranking.item_features import ItemFeatures

# Rows of the table come in multiples of this, so that any usual mesh divides
# them.
_TABLE_MULTIPLE = 128
_MASKED = -1e9
_WHOLE = 'latent'  # Inputs lie side by side: no mesh axis cuts them.
POOLINGS = ('mean', 'attention')


@dataclasses.dataclass(frozen=True)
class RankerConfig:
  """Sizes of the network; the paper states none, so all are our choice.

  Attributes:
    embed_size: width of an item's vector and of context vectors.
    max_history: newest items of the watch history that are read; 0 for none.
    pooling: how the history becomes one vector: `mean`, or `attention` with
      the candidate as query.
    bottom_size: width of the shared layers.
    bottom_layers: how many there are, before the feature's `depth`.
    num_experts: experts of the mixture.
    expert_size: width of an expert.
    tower_size: width of the hidden layer of a label's tower.
    graded_weight: factor of the losses of graded labels.
  """

  embed_size: int = 32
  max_history: int = 20
  pooling: str = 'mean'
  bottom_size: int = 128
  bottom_layers: int = 2
  num_experts: int = 4
  expert_size: int = 64
  tower_size: int = 32
  graded_weight: float = 0.5

  def __post_init__(self):
    sizes = (
        self.embed_size,
        self.bottom_size,
        self.bottom_layers,
        self.num_experts,
        self.expert_size,
        self.tower_size,
    )
    if min(sizes) < 1 or self.max_history < 0 or self.pooling not in POOLINGS:
      raise InputError(
          f'The sizes make no ranker: {self}',
          where='RankerConfig',
          expected='sizes of at least 1, max_history of at least 0, pooling '
          f'one of {", ".join(POOLINGS)}',
          fix='Correct the configuration.',
      )


@dataclasses.dataclass(frozen=True)
class RankerShape:
  """What follows from the data.

  Attributes:
    num_rows: rows of the tables together; 0 if items are their content.
    content_size: width of the content; 0 if items are rows of tables.
    depth: factor of `bottom_layers`.
    context_sizes: number of values of each context feature.
    num_labels: number of labels.
  """

  num_rows: int
  content_size: int
  depth: float
  context_sizes: tuple[int, ...]
  num_labels: int

  @classmethod
  def of(
      cls,
      features: ItemFeatures,
      context_sizes: Sequence[int],
      num_labels: int,
  ) -> RankerShape:
    """Returns the shape for item features."""
    content = features.content
    return cls(
        num_rows=features.num_rows,
        content_size=0 if content is None else content.shape[1],
        depth=features.depth,
        context_sizes=tuple(context_sizes),
        num_labels=num_labels,
    )


class _Layers(nn.Module):
  """A module whose parameters bear logical axis names."""

  def weight(
      self,
      name: str,
      shape: Sequence[int],
      axes: Sequence[str],
      stddev: float,
  ) -> jax.Array:
    """Returns a normally distributed weight."""
    return partitioning.param_with_axes(
        name, nn.initializers.normal(stddev), tuple(shape), axes=tuple(axes)
    )

  def dense(self, name: str, x: jax.Array, size: int, axis: str) -> jax.Array:
    """Maps [batch, n] to [batch, size], with a bias."""
    kernel = self.weight(
        f'{name}_kernel',
        (x.shape[-1], size),
        (_WHOLE, axis),
        x.shape[-1] ** -0.5,
    )
    bias = partitioning.param_with_axes(
        f'{name}_bias', nn.initializers.zeros, (size,), axes=(axis,)
    )
    return x @ kernel + bias[None, :]


class ItemVectors(_Layers):
  """Looks up items: the sum of their pieces' rows, or their content, mapped.

  All slots of the ranker share it.
  """

  config: RankerConfig
  shape: RankerShape

  @nn.compact
  def __call__(
      self, pieces: jax.Array | None, content: jax.Array | None
  ) -> jax.Array:
    """Gives the vectors of items.

    Args:
      pieces: int32 [batch, n, max_pieces], rows of the table, negative where
        there is none; None with content.
      content: float32 [batch, n, content_size], or None.

    Returns:
      [batch, n, embed_size].
    """
    size = self.config.embed_size
    if content is not None:
      kernel = self.weight(
          'content_kernel',
          (self.shape.content_size, size),
          (_WHOLE, 'embed'),
          self.shape.content_size**-0.5,
      )
      return jnp.einsum('blc,ce->ble', content, kernel)
    assert pieces is not None
    num_rows = -(-self.shape.num_rows // _TABLE_MULTIPLE) * _TABLE_MULTIPLE
    table = self.weight('table', (num_rows, size), ('vocab', 'embed'), 0.05)
    # Whole rows: see `networks.layers.Embed`.
    table = partitioning.with_sharding_constraint(table, ('vocab', None))
    # Beyond the table, where a look-up gives zeros and has no gradient.
    pieces = jnp.where(pieces < 0, num_rows, pieces)
    # Piece by piece: no array is larger than what the model itself keeps.
    total = jnp.zeros((*pieces.shape[:2], size))
    for number in range(pieces.shape[2]):
      total = total + table.at[pieces[:, :, number]].get(
          mode='fill', fill_value=0
      )
    return total


class RankerNetwork(_Layers):
  """Predicts every label of impressions.

  A multi-task ranker as in Better Generalization with Semantic IDs
  (arXiv 2306.08121, section 3), with multi-gate mixture of experts (Ma et al.,
  KDD 2018): shared layers, then experts that each label weighs by a gate of its
  own, then a tower a label. That the shared layers also read the products of
  the candidate's vector with those of history and current item is our choice.
  """

  config: RankerConfig
  shape: RankerShape

  @nn.compact
  def __call__(self, batch: Mapping[str, jax.Array]) -> jax.Array:
    """Predicts labels.

    Args:
      batch: the distinct items of the batch, dealt out over its rows, each
        once however many slots show it: `item_pieces` int32
        [batch, items_per_row, max_pieces] or `item_content` float32
        [batch, items_per_row, content_size]. `slots` int32
        [batch, max_history + 2]: the watch history, newest last, the current
        item and the candidate, by their numbers among these items; negative
        for none. `context_ids` int32 [batch, num_context].

    Returns:
      [batch, num_labels]: logits of binary labels, standardized values of
      graded ones.
    """
    config = self.config
    there = (batch['slots'] >= 0).astype(jnp.float32)
    vectors = ItemVectors(config, self.shape, name='items')(
        batch.get('item_pieces'), batch.get('item_content')
    )
    vectors = vectors.reshape(-1, config.embed_size)
    # Every device needs what other devices' rows hold.
    vectors = partitioning.with_sharding_constraint(vectors, (_WHOLE, 'embed'))
    slots = jnp.where(batch['slots'] < 0, len(vectors), batch['slots'])
    vectors = vectors.at[slots].get(mode='fill', fill_value=0)
    vectors = partitioning.with_sharding_constraint(
        vectors, ('batch', 'length', 'embed')
    )
    current, candidate = vectors[:, -2], vectors[:, -1]
    parts = [current, candidate, current * candidate]
    if config.max_history:
      history = self._pool(
          vectors[:, : config.max_history],
          there[:, : config.max_history],
          candidate,
      )
      parts += [history, history * candidate]
    parts += self._context(batch['context_ids'])
    x = jnp.concatenate(parts, axis=1)
    for layer in range(round(config.bottom_layers * self.shape.depth)):
      x = nn.relu(self.dense(f'bottom_{layer}', x, config.bottom_size, 'mlp'))
    return self._mixture(x)

  def _pool(
      self, history: jax.Array, there: jax.Array, candidate: jax.Array
  ) -> jax.Array:
    """Makes [batch, length, embed] one vector of [batch, embed]."""
    if self.config.pooling == 'mean':
      count = jnp.maximum(jnp.sum(there, axis=1, keepdims=True), 1.0)
      return jnp.sum(history, axis=1) / count
    size = self.config.embed_size
    query = self.weight('query', (size, size), ('embed', 'kv'), size**-0.5)
    key = self.weight('key', (size, size), ('embed', 'kv'), size**-0.5)
    logits = jnp.einsum(
        'bk,blk->bl', candidate @ query, jnp.einsum('ble,ek->blk', history, key)
    )
    logits = jnp.where(there > 0, logits * size**-0.5, _MASKED)
    return jnp.einsum('bl,ble->be', jax.nn.softmax(logits, axis=1), history)

  def _context(self, context_ids: jax.Array) -> list[jax.Array]:
    """Looks up context features, each [batch, embed]."""
    sizes = self.shape.context_sizes
    table = self.weight(
        'context', (sum(sizes), self.config.embed_size), (_WHOLE, 'embed'), 0.05
    )
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [
        table[context_ids[:, number] + start]
        for number, start in enumerate(starts)
    ]

  def _mixture(self, x: jax.Array) -> jax.Array:
    """Maps [batch, bottom_size] to [batch, num_labels].

    Gates and towers of all labels are one array each: fewer and larger
    products, and a program that compiles sooner.
    """
    config, num_labels = self.config, self.shape.num_labels
    num_experts, size = config.num_experts, config.expert_size
    experts = nn.relu(self.dense('experts', x, num_experts * size, 'mlp'))
    experts = experts.reshape(-1, num_experts, size)
    gates = self.dense('gates', x, num_labels * num_experts, 'stack')
    gates = jax.nn.softmax(gates.reshape(-1, num_labels, num_experts), axis=2)
    mixed = jnp.einsum('bln,bns->bls', gates, experts)
    kernel = self.weight(
        'towers_kernel',
        (num_labels, size, config.tower_size),
        ('stack', _WHOLE, 'mlp'),
        size**-0.5,
    )
    bias = partitioning.param_with_axes(
        'towers_bias',
        nn.initializers.zeros,
        (num_labels, config.tower_size),
        axes=('stack', 'mlp'),
    )
    hidden = jnp.einsum('bls,lst->blt', mixed, kernel) + bias[None, :, :]
    output = self.weight(
        'outputs_kernel',
        (num_labels, config.tower_size),
        ('stack', 'mlp'),
        config.tower_size**-0.5,
    )
    output_bias = partitioning.param_with_axes(
        'outputs_bias', nn.initializers.zeros, (num_labels,), axes=('stack',)
    )
    outputs = jnp.einsum('blt,lt->bl', nn.relu(hidden), output)
    return outputs + output_bias[None, :]
