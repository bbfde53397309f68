# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The mesh: all devices as a box with the axes data, fsdp and tensor.

* `data`: copies of the parameters, each with its own examples.
* `fsdp`: own examples too, but the parameters are cut along this axis and
  gathered layer by layer when they are needed.
* `tensor`: the same examples; matrices are cut, so that each device computes a
  part of every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import jax

from plum_jax.artifacts.errors import InputError

AXES = ('data', 'fsdp', 'tensor')
# A batch is cut along both, since both hold different examples.
BATCH_AXES = ('data', 'fsdp')


def make_mesh(
    data: int = -1,
    fsdp: int = 1,
    tensor: int = 1,
    devices: Sequence[jax.Device] | None = None,
) -> jax.sharding.Mesh:
  """Arranges devices as a mesh.

  Args:
    data: number of copies of the parameters; -1 means what the others leave.
    fsdp: number of pieces that parameters are cut into along `fsdp`, or -1.
    tensor: number of devices that share the work on one example, or -1.
    devices: the devices, all that JAX has if None. Those of a
      `jax.experimental.topologies` description serve for compiling alone.

  Returns:
    A mesh with the axes `data`, `fsdp` and `tensor`, in this order, so that
    `tensor`, which communicates most, lies on neighbouring devices.

  Raises:
    InputError: the sizes do not multiply to the number of devices.
  """
  devices = jax.devices() if devices is None else list(devices)
  sizes = _fill_in({'data': data, 'fsdp': fsdp, 'tensor': tensor}, len(devices))
  return jax.make_mesh(
      tuple(sizes.values()),
      AXES,
      axis_types=(jax.sharding.AxisType.Auto,) * len(AXES),
      devices=devices,
  )


def _fill_in(sizes: dict[str, int], num_devices: int) -> dict[str, int]:
  """Replaces the one -1 and checks that the mesh uses every device."""
  asked = ', '.join(f'{axis}={size}' for axis, size in sizes.items())
  unknown = [axis for axis, size in sizes.items() if size == -1]
  wrong = [axis for axis, size in sizes.items() if size < 1 and size != -1]
  if wrong or len(unknown) > 1:
    raise InputError(
        f'The mesh {asked} has no meaning.',
        where=f'mesh axis {(wrong or unknown)[-1]}',
        expected='sizes of at least 1, and at most one -1 for the rest',
        fix='Correct the size of the axis.',
    )
  known = math.prod(size for size in sizes.values() if size != -1)
  fits = num_devices % known == 0 if unknown else num_devices == known
  if not fits:
    raise InputError(
        f'The mesh {asked} does not fit {num_devices} devices.',
        where='the sizes of the mesh axes',
        expected=f'sizes whose product is {num_devices}'
        if not unknown
        else f'sizes whose product, {known}, divides {num_devices}',
        fix='Set one axis to -1 and the others to divisors of the number of '
        'devices.',
    )
  return {
      axis: num_devices // known if size == -1 else size
      for axis, size in sizes.items()
  }


def batch_sharding(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Cuts the leading dimension over `data` and `fsdp`."""
  return jax.sharding.NamedSharding(
      mesh, jax.sharding.PartitionSpec(BATCH_AXES)
  )


def replicated(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
  """Puts the whole array on every device."""
  return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def num_batch_shards(mesh: jax.sharding.Mesh) -> int:
  """Returns the number of pieces that a batch is cut into."""
  return math.prod(mesh.shape[axis] for axis in BATCH_AXES)
