# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors, on all devices of a mesh."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
import math
import os
from typing import cast

import jax
from jax import numpy as jnp
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import batches
from plum_jax.item_embeddings import bert
from plum_jax.item_embeddings import bert_weights
from plum_jax.item_embeddings import sentence_folder
from plum_jax.sharding import axis_rules

# Batches that the devices have been given and not yet returned: enough that
# they never wait for the host, few enough that progress is seen.
_BATCHES_IN_FLIGHT = 4


def pool(
    token_vectors: jax.Array, mask: jax.Array, pooling: str, normalize: bool
) -> jax.Array:
  """Makes one vector of a text's token vectors.

  Args:
    token_vectors: [batch, length, embed].
    mask: [batch, length] bool, True where there is a token.
    pooling: `mean` or `cls`.
    normalize: whether to scale the vectors to length 1.

  Returns:
    [batch, embed].
  """
  if pooling == 'cls':
    vectors = token_vectors[:, 0]
  else:
    weights = mask[:, :, None].astype(token_vectors.dtype)
    vectors = jnp.sum(token_vectors * weights, axis=1) / jnp.sum(weights, 1)
  if normalize:
    norms = jnp.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors = vectors / jnp.maximum(norms, 1e-12)
  return vectors


class TextEncoder:
  """A published sentence encoder, ready to run.

  A text's vector does not depend on the texts beside it, on `batch_tokens` or
  on the number of devices, but for float32 rounding.

  Attributes:
    dim: width of the vectors.
    params: the parameters of `bert.BertEncoder`, on the devices.
    items_in_flight: number of typical texts that keep all devices busy for a
      few steps; a good size of a chunk.
  """

  def __init__(
      self,
      directory: str | os.PathLike[str],
      *,
      mesh: jax.sharding.Mesh | None = None,
      rules: axis_rules.AxisRules | None = None,
      batch_tokens: int = 2048,
  ):
    """Reads the encoder and puts its parameters on the devices.

    Args:
      directory: a sentence-transformers folder; see `sentence_folder.read`.
      mesh: the devices, all that JAX has if None. A batch is cut over all axes
        of the mesh. If it spans several processes, every process gives the
        same texts and gets all vectors.
      rules: axis rules that place the parameters; whole on every device if
        None.
      batch_tokens: tokens per device and step. On CPUs some thousand, so that
        a layer's activations stay in the cache; on accelerators more.

    Raises:
      InputError: the folder holds no encoder that this project computes, or
        `batch_tokens` is less than 1.
    """
    if batch_tokens < 1:
      raise InputError(
          f'batch_tokens is {batch_tokens}.',
          where='batch_tokens',
          expected='at least 1 token per device and step',
          fix='Correct the number; 2048 suits CPUs.',
      )
    folder = sentence_folder.read(directory)
    self._folder = folder
    self._tokenizer = folder.tokenizer()
    self.dim = folder.config.hidden_size
    if mesh is None:
      mesh = jax.sharding.Mesh(np.array(jax.devices()), ('data',))
    # Explicit axes would ask the module for the sharding of each gather.
    self._mesh = jax.sharding.Mesh(mesh.devices, mesh.axis_names)
    self._batch = self._sharding(mesh.axis_names)
    self._buckets = batches.bucket_lengths(folder.max_length)
    self._num_rows = [
        mesh.size * math.ceil(batch_tokens / length) for length in self._buckets
    ]
    self.items_in_flight = 16 * self._num_rows[len(self._buckets) // 2]
    shardings = self._param_shardings(rules)
    params = bert_weights.load(folder.weights(), folder.config)
    self.params = jax.device_put(params, shardings)
    self._embed = self._compile_lazily(shardings)

  def encode(
      self,
      texts: Sequence[str],
      report: Callable[[int], None] | None = None,
  ) -> np.ndarray:
    """Embeds texts that fit into memory.

    Args:
      texts: the texts; an empty one has a vector too.
      report: called with the number of texts done, after each batch.

    Returns:
      [len(texts), dim] float32, in the order of `texts`.
    """
    return self._run(self.tokenize(texts), report)

  def encode_chunks(
      self,
      chunks: Iterable[Sequence[str]],
      report: Callable[[int], None] | None = None,
  ) -> Iterator[np.ndarray]:
    """Embeds any number of texts, one chunk at a time.

    While the devices work on a chunk, a thread reads and tokenizes the next.

    Args:
      chunks: lists of texts.
      report: called with the number of texts of the current chunk that are
        done, after each batch.

    Yields:
      For each chunk [len(chunk), dim] float32.
    """
    remaining = iter(chunks)

    def tokenize_next() -> batches.TokenizedTexts | None:
      texts = next(remaining, None)
      return None if texts is None else self.tokenize(texts)

    with futures.ThreadPoolExecutor(max_workers=1) as executor:
      upcoming = executor.submit(tokenize_next)
      while (tokenized := upcoming.result()) is not None:
        upcoming = executor.submit(tokenize_next)
        yield self._run(tokenized, report)

  def _sharding(self, *axes) -> jax.sharding.NamedSharding:
    return jax.sharding.NamedSharding(
        self._mesh, jax.sharding.PartitionSpec(*axes)
    )

  def _param_shardings(self, rules: axis_rules.AxisRules | None):
    variables = bert_weights.abstract_variables(self._folder.config)
    if rules is None:
      whole = self._sharding()
      return jax.tree.map(lambda _: whole, variables['params'])
    return axis_rules.param_shardings(
        variables['params_axes'], variables['params'], self._mesh, rules
    )

  def _compile_lazily(self, param_shardings) -> Callable[..., jax.Array]:
    """Returns the jitted function; it compiles once for each bucket."""
    encoder = bert.BertEncoder(self._folder.config)
    pooling, normalize = self._folder.pooling, self._folder.normalize

    def embed(params, token_ids, mask):
      token_vectors = encoder.apply({'params': params}, token_ids, mask)
      return pool(cast(jax.Array, token_vectors), mask, pooling, normalize)

    several = self._mesh.is_multi_process
    return jax.jit(
        embed,
        in_shardings=(param_shardings, self._batch, self._batch),
        # A process can read only what lies on its own devices.
        out_shardings=self._sharding() if several else self._batch,
    )

  def tokenize(self, texts: Sequence[str]) -> batches.TokenizedTexts:
    """Turns texts into tokens, cut at the encoder's longest length."""
    folder = self._folder
    texts = [folder.prompt + text for text in texts]
    if folder.lower_case:
      texts = [text.lower() for text in texts]
    encodings = self._tokenizer.encode_batch_fast(texts)
    token_ids = [np.asarray(encoding.ids, np.int32) for encoding in encodings]
    lengths = np.array([len(ids) for ids in token_ids], np.int64)
    return batches.TokenizedTexts(
        np.concatenate([np.zeros(0, np.int32), *token_ids]),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
    )

  def _run(
      self,
      tokenized: batches.TokenizedTexts,
      report: Callable[[int], None] | None,
  ) -> np.ndarray:
    """Embeds one chunk, giving the devices the next batches in advance."""
    lengths = np.diff(tokenized.offsets)
    vectors = np.zeros((len(lengths), self.dim), np.float32)
    num_done = 0
    pending: collections.deque[tuple[np.ndarray, jax.Array]]
    pending = collections.deque()

    def collect_oldest() -> None:
      nonlocal num_done
      rows, computed = pending.popleft()
      vectors[rows] = np.asarray(computed)[: len(rows)]
      num_done += len(rows)
      if report is not None:
        report(num_done)

    for rows, bucket in batches.plan(lengths, self._buckets, self._num_rows):
      padded = tokenized.padded(
          rows, self._num_rows[bucket], self._buckets[bucket]
      )
      pending.append((rows, self._embed(self.params, *map(self._put, padded))))
      if len(pending) > _BATCHES_IN_FLIGHT:
        collect_oldest()
    while pending:
      collect_oldest()
    return vectors

  def _put(self, array: np.ndarray) -> jax.Array:
    """Cuts an array that every process has whole over the devices."""
    return jax.make_array_from_callback(
        array.shape, self._batch, lambda index: array[index]
    )
