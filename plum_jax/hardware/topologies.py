# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""TPU slices to compile for, on a machine that has none.

The package `libtpu` carries the compiler. Where it is installed, JAX looks for
TPUs whenever it starts, and complains if there are none; so it is kept in a
folder of its own, which only this file looks into.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
import pathlib
import re
import sys

import jax
from jax.experimental import topologies

from plum_jax.artifacts.errors import InputError
from plum_jax.hardware import chips

_LIBRARY = 'TPU_LIBRARY_PATH'
FOLDER = 'tpu_compiler'
_ACCELERATORS = {'v5e': 'v5litepod', 'v5p': 'v5p', 'v6e': 'v6e'}
# The two cores of a v4 chip as one device, as JAX has them on TPU VMs. The
# compiler's own default is two devices, of which JAX makes no mesh. Other chips
# are one device by default, or have no such configuration (v3).
_CONFIGURATIONS = {'v4': {'chip_config_name': 'megacore'}}


@dataclasses.dataclass(frozen=True)
class Topology:
  """A slice.

  Attributes:
    name: such as `v5e:4x4`.
    chip: what it is made of.
    shape: chips along each dimension.
  """

  name: str
  chip: chips.Chip
  shape: tuple[int, ...]

  @property
  def num_chips(self) -> int:
    """Chips of the slice."""
    return math.prod(self.shape)


def parse(name: str) -> Topology:
  """Reads a topology's name.

  Args:
    name: chip, colon, chips along each dimension.

  Raises:
    InputError: it is of another form, or there is no such chip.

  >>> parse('v5e:4x4').num_chips
  16
  """
  match = re.fullmatch(r'(v\d+[a-z]?):(\d+(?:x\d+){1,2})', name)
  if match is None:
    raise InputError(
        f'{name!r} is no topology.',
        where='the topology',
        expected='a chip and the chips along each dimension, such as v5e:4x4 '
        'or v5p:2x2x2',
        fix='Correct the name.',
    )
  shape = tuple(int(size) for size in match[2].split('x'))
  return Topology(name, chips.chip(match[1]), shape)


def set_environment(topology: Topology) -> None:
  """Tells the TPU library that there is no TPU here to ask.

  It reads these when it is loaded, so a process can compile for slices of one
  generation only. JAX itself computes on the CPU.

  Args:
    topology: what will be compiled for.

  Raises:
    InputError: there is no TPU library on this machine.
  """
  kind = _ACCELERATORS.get(topology.chip.name, topology.chip.name)
  os.environ['TPU_SKIP_MDS_QUERY'] = '1'
  # Several processes may compile at once: none of them holds a TPU.
  os.environ['ALLOW_MULTIPLE_LIBTPU_LOAD'] = '1'
  os.environ['TPU_WORKER_HOSTNAMES'] = 'localhost'
  os.environ['TPU_ACCELERATOR_TYPE'] = f'{kind}-{topology.num_chips}'
  os.environ[_LIBRARY] = str(_library())
  jax.config.update('jax_platforms', 'cpu')


def devices(topology: Topology) -> list[jax.Device]:
  """Returns the devices of a slice, to compile for and not to compute on.

  Args:
    topology: the slice.

  Returns:
    A device a chip; two a chip for v3, whose cores are devices of their own.

  Raises:
    InputError: there is no TPU library, or it knows no such slice.
  """
  set_environment(topology)
  try:
    described = topologies.get_topology_desc(
        topology_name=topology.name,
        platform='tpu',
        **_CONFIGURATIONS.get(topology.chip.name, {}),
    )
  except jax.errors.JaxRuntimeError as error:
    raise InputError(
        f'The TPU compiler refuses the topology: {str(error).splitlines()[0]}',
        where=topology.name,
        expected='a slice that exists',
        fix='Choose other sizes, such as 2x2, 2x4, 4x4 for v5e and v6e, or '
        '2x2x1, 2x2x2, 4x4x4 for v4 and v5p.',
    ) from error
  return list(described.devices)


def _library() -> pathlib.Path:
  """Finds libtpu.so: named, kept for compiling, or installed.

  Raises:
    InputError: it is nowhere.
  """
  named = os.environ.get(_LIBRARY)
  kept = pathlib.Path(sys.prefix) / FOLDER / 'libtpu' / 'libtpu.so'
  if named:
    path = pathlib.Path(named)
  elif kept.is_file():
    path = kept
  else:
    spec = importlib.util.find_spec('libtpu')
    found = (spec.submodule_search_locations or ['']) if spec else ['']
    path = pathlib.Path(next(iter(found))) / 'libtpu.so'
  if not path.is_file():
    raise InputError(
        'There is no TPU compiler on this machine.',
        where=named or f'{kept} and the package libtpu',
        expected='libtpu.so, which the package libtpu carries for Linux',
        fix=f'make tpu-compiler, or set {_LIBRARY} to the file.',
    )
  return path
