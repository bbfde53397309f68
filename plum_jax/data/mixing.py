# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Mixtures of tasks at fixed rates."""

from __future__ import annotations

from collections.abc import Sequence
import functools

import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError


def add_mixture(name: str, tasks: Sequence[str], rates: Sequence[float]) -> str:
  """Registers a mixture, in the place of an older one of its name.

  An epoch is a pass over the first task. The others begin again where they end
  before it, so that the rates hold to its end.

  Args:
    name: of the mixture.
    tasks: names of registered tasks with the same features.
    rates: how their examples come in proportion.

  Returns:
    The name.

  Raises:
    InputError: there are not as many rates as tasks, one is not positive, or a
      task comes twice.
  """
  if (
      not tasks
      or len(tasks) != len(rates)
      or any(rate <= 0 for rate in rates)
      or len(set(tasks)) < len(tasks)
  ):
    raise InputError(
        f'The tasks {list(tasks)} cannot be mixed at the rates {list(rates)}.',
        where=name,
        expected='different tasks, and a positive rate for each',
        fix='Correct the lists.',
    )
  if name in seqio.MixtureRegistry.names():
    seqio.MixtureRegistry.remove(name)
  # SeqIO hands the tasks over in the order of their names.
  first = sorted(tasks).index(tasks[0])
  seqio.MixtureRegistry.add(
      name,
      list(zip(tasks, map(float, rates), strict=True)),
      sample_fn=functools.partial(_sample, first=first),
  )
  return name


def _sample(
    datasets: Sequence[tf.data.Dataset],
    rates: Sequence[float],
    seed: int | None,
    first: int,
) -> tf.data.Dataset:
  """Draws from the datasets until the first is used up."""
  return tf.data.Dataset.sample_from_datasets(
      [
          dataset if number == first else dataset.repeat()
          for number, dataset in enumerate(datasets)
      ],
      rates,
      seed,
      stop_on_empty_dataset=True,
  )
