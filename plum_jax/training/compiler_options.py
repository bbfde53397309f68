# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the compiler is told, by device and by how often a program runs."""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

import jax

_LEVEL = 'xla_backend_optimization_level'


def of_steps(
    mesh: jax.sharding.Mesh, of_tpu: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
  """Returns the options of a program that runs again and again.

  Args:
    mesh: the devices it is for.
    of_tpu: options of the TPU compiler by name, which others do not know.
  """
  platform = mesh.devices.flat[0].platform
  return dict(of_tpu) if of_tpu and platform == 'tpu' else None


def of_one_run(place: jax.sharding.Sharding) -> dict[str, Any] | None:
  """Returns the options of a program that is run once or a few times.

  On CPU LLVM's first level takes two thirds of the time of the third, XLA's
  default, and draws the same parameters to the bit. Its level 0 does not. A
  step is left at the third: at the second its bits are others.

  Args:
    place: the devices it is for.
  """
  platform = next(iter(place.device_set)).platform
  chosen = jax.config.read(
      'jax_disable_most_optimizations'
  ) or _LEVEL in os.environ.get('XLA_FLAGS', '')
  return {_LEVEL: 1} if platform == 'cpu' and not chosen else None
