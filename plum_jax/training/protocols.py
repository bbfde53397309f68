# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the trainer asks of a model, of its data and of a metric writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

Array = jax.Array | np.ndarray
Batch = Mapping[str, Array]
Params = Any
# Name of a metric: (sum over examples or tokens, sum of their weights). The
# metric is their ratio; sums add up over microbatches, devices and steps.
MetricSums = Mapping[str, tuple[jax.Array, jax.Array]]


class Model(Protocol):
  """A network and its loss; pure functions of their arguments."""

  def init(self, rng: jax.Array, batch: Batch) -> Mapping[str, Any]:
    """Initialises the variables.

    Args:
      rng: a PRNG key.
      batch: arrays or `jax.ShapeDtypeStruct`s of one batch.

    Returns:
      The collections `params` and `params_axes` (the logical axis names of each
      parameter, as `flax.linen.partitioning.param_with_axes` leaves them).
    """
    ...

  def loss_fn(
      self, params: Params, batch: Batch, rng: jax.Array | None
  ) -> tuple[jax.Array, MetricSums]:
    """Computes the loss of a batch.

    Args:
      params: the collection `params`.
      batch: arrays, leading dimension `batch`.
      rng: key for dropout; None turns dropout off.

    Returns:
      The sum of the weighted losses, a float32 scalar; and metric sums, among
      them `loss`, whose weight normalises the gradient.
    """
    ...


class Batches(Protocol):
  """An endless iterator of batches whose position can be saved."""

  def __next__(self) -> Mapping[str, np.ndarray]:
    """Returns the next batch."""
    ...

  def state(self) -> Mapping[str, Any]:
    """Returns the position after the last batch, as JSON values."""
    ...

  def restore(self, state: Mapping[str, Any]) -> None:
    """Goes to a position, so that the batches after it are the same."""
    ...


@runtime_checkable
class ShapesKnown(Protocol):
  """Batches whose shapes are known before one is read.

  The step is compiled then while the first batch is read.
  """

  def shapes(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype]]:
    """Returns shape and dtype of each feature of every batch."""
    ...


class Continuation(Protocol):
  """A training of another launcher, to go on with."""

  @property
  def step(self) -> int:
    """Number of finished steps."""
    ...

  @property
  def position(self) -> Mapping[str, Any]:
    """The input's position after them; see `Batches.state`."""
    ...

  def read(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Reads what was saved.

    Args:
      wanted: shapes and shardings of step, parameters and optimizer's state, by
        their names in `TrainState`, such as `params/decoder/…`.

    Returns:
      The arrays by these names.
    """
    ...


class MetricWriter(Protocol):
  """The part of `clu.metric_writers.MetricWriter` that training uses."""

  def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
    """Records scalars of a step."""
    ...

  def flush(self) -> None:
    """Writes what is buffered."""
    ...
