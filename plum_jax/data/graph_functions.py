# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Graph functions over records, traced once and not every epoch."""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import Any

import seqio
import tensorflow as tf


@functools.lru_cache(maxsize=256)
def traced(function: Callable[..., Any], **kwargs: Any) -> Callable[..., Any]:
  """Returns a graph function with arguments bound.

  Args:
    function: of tensors and of the keyword arguments.
    **kwargs: hashable; what is not equal to itself, such as a table of tokens,
      is told apart by identity.

  Returns:
    The same one for the same arguments, so that it is traced once.
  """
  return tf.function(functools.partial(function, **kwargs), autograph=False)


def map_and_flatten(
    dataset: tf.data.Dataset, function: Callable[..., Any]
) -> tf.data.Dataset:
  """Maps elements to several examples each, and lays these out one by one.

  Args:
    dataset: of records, or of batches of them.
    function: of an element and a seed, int32 [2]; returns features with a
      leading dimension of examples. The seeds follow from the one that SeqIO
      was given.

  Returns:
    A dataset of examples.
  """
  mapped = seqio.map_over_dataset(
      lambda element, seed: function(element, seed), num_seeds=1
  )(dataset)
  return mapped.flat_map(tf.data.Dataset.from_tensor_slices)
