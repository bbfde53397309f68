# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The least time that a program can take on a slice."""

from __future__ import annotations

import dataclasses

from plum_jax.hardware.program_costs import ProgramCosts
from plum_jax.hardware.topologies import Topology


@dataclasses.dataclass(frozen=True)
class Roofline:
  """Times of a program if one thing alone bounded it, in seconds.

  All of them are lower bounds: peak rates, and everything at the same time.

  Attributes:
    compute: for its matrix products.
    hbm: for what it reads from and writes to memory.
    ici: for what a chip receives, over all links of the least connected chip.
    model_flops: FLOPs of all chips that the model itself asks for.
    peak_flops: FLOPs of all chips a second.
  """

  compute: float
  hbm: float
  ici: float
  model_flops: float
  peak_flops: float

  @property
  def seconds(self) -> float:
    """The least time."""
    return max(self.compute, self.hbm, self.ici)

  @property
  def bound(self) -> str:
    """What takes longest: `compute`, `hbm` or `ici`."""
    return max(('compute', 'hbm', 'ici'), key=lambda name: getattr(self, name))

  @property
  def utilisation(self) -> float:
    """The model FLOPs utilisation that the least time allows (MFU).

    FLOPs of rematerialisation and of work that several chips repeat are not
    the model's (arXiv 2204.02311, appendix B).
    """
    return self.model_flops / (self.peak_flops * self.seconds)


def roofline(
    costs: ProgramCosts,
    topology: Topology,
    *,
    devices_per_chip: int,
    model_flops: float,
) -> Roofline:
  """Bounds a program's time.

  Args:
    costs: of the program on one device.
    topology: the slice.
    devices_per_chip: 1, or 2 where each core is a device.
    model_flops: FLOPs of the model on all chips.

  Returns:
    The bounds.
  """
  chip = topology.chip
  received = costs.received_bytes * devices_per_chip
  return Roofline(
      compute=costs.matrix_flops * devices_per_chip / chip.flops_per_second,
      hbm=costs.hbm_bytes * devices_per_chip / chip.hbm_bytes_per_second,
      ici=received / chip.ici_bytes_per_second(topology.shape)
      if received
      else 0.0,
      model_flops=model_flops,
      peak_flops=topology.num_chips * chip.flops_per_second,
  )
