# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How hard the compiler tries, by device and by how often a program runs.

On CPU LLVM's highest level, XLA's default, makes a training step no faster than
the second and takes a third longer to compile it (benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

import jax

_LEVEL = 'xla_backend_optimization_level'
_OF_STEPS, _OF_ONE_RUN = 2, 1


def of_steps(
    mesh: jax.sharding.Mesh, of_tpu: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
  """Returns the options of a program that runs again and again.

  Args:
    mesh: the devices it is for.
    of_tpu: options of the TPU compiler by name, which others do not know.
  """
  platform = mesh.devices.flat[0].platform
  if platform == 'tpu':
    return dict(of_tpu) if of_tpu else None
  return _at_level(_OF_STEPS, platform)


def of_one_run(place: jax.sharding.Sharding) -> dict[str, Any] | None:
  """Returns the options of a program that is run once or a few times.

  Parameters that are drawn have the same bits as at the highest level.

  Args:
    place: the devices it is for.
  """
  return _at_level(_OF_ONE_RUN, next(iter(place.device_set)).platform)


def _at_level(level: int, platform: str) -> dict[str, Any] | None:
  """Returns the option of a level of LLVM, unless the user has chosen one."""
  chosen = jax.config.read(
      'jax_disable_most_optimizations'
  ) or _LEVEL in os.environ.get('XLA_FLAGS', '')
  return None if chosen or platform != 'cpu' else {_LEVEL: level}
