# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes


@pytest.mark.parametrize(
    ('sizes', 'expected'),
    [
        ({}, (8, 1, 1)),
        ({'tensor': 2}, (4, 1, 2)),
        ({'data': 1, 'fsdp': -1, 'tensor': 2}, (1, 4, 2)),
        ({'data': 2, 'fsdp': 2, 'tensor': -1}, (2, 2, 2)),
        ({'data': 2, 'fsdp': 2, 'tensor': 2}, (2, 2, 2)),
    ],
)
def test_make_mesh_fills_in_the_rest(sizes, expected):
  mesh = meshes.make_mesh(**sizes)
  assert mesh.axis_names == ('data', 'fsdp', 'tensor')
  assert mesh.devices.shape == expected
  assert meshes.num_batch_shards(mesh) == expected[0] * expected[1]


def test_make_mesh_uses_the_given_devices():
  mesh = meshes.make_mesh(devices=jax.devices()[3:4])
  assert mesh.devices.flatten().tolist() == [jax.devices()[3]]


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        ({'tensor': 3}, 'data=-1, fsdp=1, tensor=3 does not fit 8 devices'),
        ({'data': 2, 'tensor': 2}, 'data=2, fsdp=1, tensor=2 does not fit 8'),
        ({'data': 16}, 'does not fit 8 devices'),
        ({'fsdp': -1}, 'data=-1, fsdp=-1, tensor=1 has no meaning'),
        ({'tensor': 0}, 'tensor=0 has no meaning'),
    ],
)
def test_make_mesh_refuses_sizes_that_do_not_fit(sizes, message):
  with pytest.raises(InputError, match=message):
    meshes.make_mesh(**sizes)


def test_batch_sharding_cuts_over_data_and_fsdp():
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  batch = jax.device_put(jax.numpy.zeros((8, 3)), meshes.batch_sharding(mesh))
  assert {shard.data.shape for shard in batch.addressable_shards} == {(2, 3)}
