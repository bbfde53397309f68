# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A minimal language model and its data, for tests of whatever trains one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flax import linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.training.protocols import Batch
from plum_jax.training.protocols import MetricSums


class TinyNetwork(nn.Module):
  """An embedding, the mean of what came before, an MLP, and logits.

  It has the logical axes of a T5 decoder: `vocab`, `embed` and `mlp` on
  parameters, and `batch` and `length` besides on activations.

  Attributes:
    vocab_size: number of tokens.
    embed_size: width of the embedding.
    mlp_size: width of the MLP.
    dropout_rate: share of the MLP's values dropped in training.
    mlp_axis: name of the MLP's logical axis, to be misspelt in tests.
  """

  vocab_size: int = 32
  embed_size: int = 16
  mlp_size: int = 24
  dropout_rate: float = 0.0
  mlp_axis: str = 'mlp'

  @nn.compact
  def __call__(
      self, tokens: jax.Array, *, deterministic: bool = True
  ) -> jax.Array:
    """Computes logits.

    Args:
      tokens: int32 [batch, length], inputs shifted right.
      deterministic: whether nothing is dropped.

    Returns:
      float32 [batch, length, vocab].
    """
    embedding = partitioning.param_with_axes(
        'embedding',
        # Uniform, since normal random numbers take XLA longer to compile.
        nn.initializers.uniform(1.0),
        (self.vocab_size, self.embed_size),
        jnp.float32,
        axes=('vocab', 'embed'),
    )
    # A product instead of a look-up, which cannot be cut along both axes.
    x = jax.nn.one_hot(tokens, self.vocab_size) @ embedding
    x = partitioning.with_sharding_constraint(x, ('batch', 'length', 'embed'))
    counts = jnp.arange(1, tokens.shape[1] + 1, dtype=jnp.float32)
    x = x + jnp.cumsum(x, axis=1) / counts[None, :, None]
    scale = partitioning.param_with_axes(
        'scale', nn.initializers.ones, (self.embed_size,), axes=('embed',)
    )
    x = nn.standardize(x) * scale[None, None, :]
    hidden = nn.relu(x @ self._matrix('wi', ('embed', self.mlp_axis)))
    hidden = partitioning.with_sharding_constraint(
        hidden, ('batch', 'length', self.mlp_axis)
    )
    hidden = nn.Dropout(self.dropout_rate)(hidden, deterministic)
    x = x + hidden @ self._matrix('wo', (self.mlp_axis, 'embed'))
    logits = x @ self._matrix('logits', ('embed', 'vocab'))
    return partitioning.with_sharding_constraint(
        logits, ('batch', 'length', 'vocab')
    )

  def _matrix(self, name: str, axes: tuple[str, str]) -> jax.Array:
    sizes = {'embed': self.embed_size, 'vocab': self.vocab_size}
    return partitioning.param_with_axes(
        name,
        nn.initializers.lecun_uniform(),
        tuple(sizes.get(axis, self.mlp_size) for axis in axes),
        jnp.float32,
        axes=axes,
    )


class TinyModel:
  """The network with a weighted cross-entropy; a `training.protocols.Model`.

  >>> model, batches = TinyModel(), TinyBatches(batch_size=4)
  >>> variables = model.init(jax.random.key(0), next(batches))
  >>> loss_sum, sums = model.loss_fn(variables['params'], next(batches), None)
  >>> float(sums['loss'][1])
  24.0
  """

  def __init__(self, **sizes: Any):
    """Makes the network.

    Args:
      **sizes: attributes of `TinyNetwork`.
    """
    self.network = TinyNetwork(**sizes)

  def init(self, rng: jax.Array, batch: Batch) -> Mapping[str, Any]:
    """Initialises the variables; see the protocol."""
    tokens = batch['decoder_input_tokens']
    return self.network.init(rng, jnp.zeros(tokens.shape, tokens.dtype))

  def loss_fn(
      self, params: Any, batch: Batch, rng: jax.Array | None
  ) -> tuple[jax.Array, MetricSums]:
    """Computes the loss; see the protocol."""
    logits = jnp.asarray(
        self.network.apply(
            {'params': params},
            batch['decoder_input_tokens'],
            deterministic=rng is None,
            rngs=None if rng is None else {'dropout': rng},
        )
    )
    targets = jnp.asarray(batch['decoder_target_tokens'])
    weights = jnp.asarray(batch['decoder_loss_weights'])
    log_probs = jax.nn.log_softmax(logits)
    target_log_probs = jnp.take_along_axis(
        log_probs, targets[:, :, None], axis=-1
    )[:, :, 0]
    loss_sum = -(target_log_probs * weights).sum()
    correct = (logits.argmax(-1) == targets) * weights
    return loss_sum, {
        'loss': (loss_sum, weights.sum()),
        'accuracy': (correct.sum(), weights.sum()),
    }


class TinyBatches:
  """Endless batches of counting sequences; a `training.protocols.Batches`.

  A sequence starts anywhere and counts on, modulo the vocabulary; the last two
  positions of every second one are padding. A batch depends on its number
  and the seed alone.
  """

  def __init__(
      self,
      batch_size: int = 8,
      length: int = 7,
      vocab_size: int = 32,
      seed: int = 0,
  ):
    """Starts at the first batch.

    Args:
      batch_size: sequences a batch.
      length: tokens a sequence.
      vocab_size: number of tokens; 0 is padding.
      seed: seed of the starts.
    """
    self._batch_size, self._length = batch_size, length
    self._vocab_size, self._seed = vocab_size, seed
    self._number = 0

  def __iter__(self) -> TinyBatches:
    return self

  def __next__(self) -> dict[str, np.ndarray]:
    """Returns the next batch."""
    generator = np.random.default_rng([self._seed, self._number])
    self._number += 1
    starts = generator.integers(0, self._vocab_size, (self._batch_size, 1))
    targets = (starts + np.arange(self._length)) % (self._vocab_size - 1) + 1
    weights = np.ones(targets.shape, np.float32)
    weights[::2, -2:] = 0
    targets = np.where(weights > 0, targets, 0).astype(np.int32)
    inputs = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    return {
        'decoder_input_tokens': inputs,
        'decoder_target_tokens': targets,
        'decoder_loss_weights': weights,
    }

  def shapes(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Returns shape and dtype of each feature of a batch."""
    shape = (self._batch_size, self._length)
    return {
        'decoder_input_tokens': (shape, np.dtype(np.int32)),
        'decoder_target_tokens': (shape, np.dtype(np.int32)),
        'decoder_loss_weights': (shape, np.dtype(np.float32)),
    }

  def state(self) -> dict[str, int]:
    """Returns the number of the next batch."""
    return {'number': self._number}

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a batch."""
    self._number = int(state['number'])
