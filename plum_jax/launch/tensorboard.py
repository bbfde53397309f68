# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""TensorBoard through CLU, which imports TensorFlow: only launchers may."""

from __future__ import annotations

from typing import Any

from plum_jax.training.protocols import MetricWriter


def make_writer(folder: str) -> MetricWriter:
  """Returns a writer of TensorBoard events that does not hold training up.

  Args:
    folder: where the events go.
  """
  from clu import metric_writers  # Seconds of TensorFlow.

  writer: Any = metric_writers.AsyncWriter(metric_writers.SummaryWriter(folder))
  return writer
