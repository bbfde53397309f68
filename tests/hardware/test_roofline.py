# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Bounds, by hand, for a chip whose figures are round."""

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.hardware import topologies
from plum_jax.hardware.chips import Chip
from plum_jax.hardware.collectives import Collective
from plum_jax.hardware.program_costs import ProgramCosts
from plum_jax.hardware.roofline import roofline

_CHIP = Chip('v9', 1000, 100.0, 10.0, 1.0, 16)


def _costs(flops, hbm, received):
  gather = Collective('all-gather', 2, 4, received, received // 2, ())
  return ProgramCosts(1, 1, 1, 1, 1, flops, 0, hbm, 0, (gather,), ())


@pytest.mark.parametrize(
    ('costs', 'bound', 'seconds'),
    [
        ((1000, 10, 2), 'compute', 10.0),
        ((100, 500, 2), 'hbm', 50.0),
        ((100, 10, 60), 'ici', 30.0),
    ],
)
def test_slowest_part_bounds_the_time(costs, bound, seconds):
  slice_ = topologies.Topology('v9:2x2', _CHIP, (2, 2))
  found = roofline(
      _costs(*costs), slice_, devices_per_chip=1, model_flops=2000.0
  )
  assert (found.bound, found.seconds) == (bound, seconds)
  assert found.utilisation == pytest.approx(2000 / (4 * 100 * seconds))


def test_two_devices_share_a_chip():
  slice_ = topologies.Topology('v9:2x2', _CHIP, (2, 2))
  found = roofline(
      _costs(1000, 10, 2), slice_, devices_per_chip=2, model_flops=1.0
  )
  assert found.compute == 20.0


def test_total_memory_counts_donated_arguments_once():
  costs = ProgramCosts(10, 8, 7, 5, 3, 0, 0, 0, 0, (), ())
  assert costs.total_bytes == 10 + 8 - 7 + 5 + 3


@pytest.mark.parametrize(
    'name', ['v5e', 'v5e:4', 'v5e:4x', 'a100:2x2', 'v9:2x2']
)
def test_unknown_topology_is_refused(name):
  with pytest.raises(InputError):
    topologies.parse(name)


def test_missing_compiler_is_refused_with_what_to_do(monkeypatch, tmp_path):
  monkeypatch.setenv('TPU_LIBRARY_PATH', str(tmp_path / 'libtpu.so'))
  with pytest.raises(InputError, match='make tpu-compiler'):
    topologies.set_environment(topologies.parse('v5e:2x2'))
