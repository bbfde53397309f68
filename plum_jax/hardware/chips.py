# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What TPU chips have and can do, by their makers' figures.

Peak rates that no program reaches: they bound a step's time from below. A GB is
10**9 bytes, the smaller reading where a document leaves it open.

Sources: v3 and v4, arXiv 2304.01433, table 4; v5e, v5p and v6e, the pages "TPU
v5e", "TPU v5p" and "TPU v6e" of cloud.google.com/tpu/docs, whose interconnect
figure is divided here by links and directions.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from plum_jax.artifacts.errors import InputError

_GB = 10**9
_TERA = 10**12


@dataclasses.dataclass(frozen=True)
class Chip:
  """One chip.

  Attributes:
    name: as topologies are named, such as `v5e`.
    hbm_bytes: memory.
    flops_per_second: peak of bfloat16 matrix products.
    hbm_bytes_per_second: memory bandwidth.
    link_bytes_per_second: of one link to a neighbour, one direction.
    wrapped_size: a dimension of a slice is closed to a ring if this divides it.
  """

  name: str
  hbm_bytes: int
  flops_per_second: float
  hbm_bytes_per_second: float
  link_bytes_per_second: float
  wrapped_size: int

  def ici_bytes_per_second(self, slice_shape: tuple[int, ...]) -> float:
    """Returns what the least connected chip of a slice can receive.

    Args:
      slice_shape: chips along each dimension.

    Returns:
      Bytes a second over all its links; 0 for a single chip.

    >>> CHIPS['v5e'].ici_bytes_per_second((4, 4)) / 1e9
    100.0
    >>> CHIPS['v5e'].ici_bytes_per_second((16, 16)) / 1e9
    200.0
    """
    links = 0
    for size in slice_shape:
      if size > 2 and size % self.wrapped_size == 0:
        links += 2
      elif size > 1:
        links += 1  # The chip at the end of a line.
    return links * self.link_bytes_per_second


CHIPS: Mapping[str, Chip] = {
    chip.name: chip
    for chip in (
        Chip('v3', 32 * _GB, 123 * _TERA, 900 * _GB, 70 * _GB, 32),
        Chip('v4', 32 * _GB, 275 * _TERA, 1200 * _GB, 50 * _GB, 4),
        Chip('v5e', 16 * _GB, 197 * _TERA, 819 * _GB, 50 * _GB, 16),
        Chip('v5p', 95 * _GB, 459 * _TERA, 2765 * _GB, 100 * _GB, 4),
        Chip('v6e', 32 * _GB, 918 * _TERA, 1640 * _GB, 100 * _GB, 16),
    )
}


def chip(name: str) -> Chip:
  """Returns a chip by its name.

  Raises:
    InputError: there is no such chip here.
  """
  if name not in CHIPS:
    raise InputError(
        f'There is no chip called {name!r}.',
        where='the topology',
        expected=f'one of {", ".join(CHIPS)}',
        fix='Correct the name, such as v5e:4x4.',
    )
  return CHIPS[name]
