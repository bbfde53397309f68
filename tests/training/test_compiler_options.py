# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Options by device, unless the user has chosen some."""

import types

import jax
import pytest

from plum_jax.sharding import mesh as meshes
from plum_jax.training import compiler_options

_LEVEL = 'xla_backend_optimization_level'


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch):
  monkeypatch.setenv('XLA_FLAGS', '')
  before = jax.config.read('jax_disable_most_optimizations')
  jax.config.update('jax_disable_most_optimizations', False)
  yield
  jax.config.update('jax_disable_most_optimizations', before)


def _devices_of(platform):
  """Returns what stands for a mesh and a sharding of one device."""
  device = types.SimpleNamespace(platform=platform)
  return types.SimpleNamespace(
      devices=types.SimpleNamespace(flat=[device]), device_set=[device]
  )


def test_cpu_compiles_what_runs_once_at_a_lower_level():
  mesh = meshes.make_mesh(2, 2, 2)
  assert compiler_options.of_one_run(meshes.replicated(mesh)) == {_LEVEL: 1}
  assert compiler_options.of_steps(mesh, {'of_tpu': 1}) is None


def test_level_is_one_that_the_compiler_takes():
  place = meshes.replicated(meshes.make_mesh(2, 2, 2))
  options = compiler_options.of_one_run(place)
  compiled = jax.jit(lambda x: x + 1, compiler_options=options)
  assert compiled(1) == 2


def test_tpu_gets_its_own_options_and_gpu_none():
  assert compiler_options.of_steps(_devices_of('tpu'), {'a': 1}) == {'a': 1}
  assert compiler_options.of_steps(_devices_of('tpu')) is None
  assert compiler_options.of_steps(_devices_of('gpu'), {'a': 1}) is None
  assert compiler_options.of_one_run(_devices_of('tpu')) is None
  assert compiler_options.of_one_run(_devices_of('gpu')) is None


def test_what_the_user_has_chosen_stays(monkeypatch):
  place = meshes.replicated(meshes.make_mesh(2, 2, 2))
  monkeypatch.setenv('XLA_FLAGS', f'--{_LEVEL}=3')
  assert compiler_options.of_one_run(place) is None
  monkeypatch.setenv('XLA_FLAGS', '')
  jax.config.update('jax_disable_most_optimizations', True)
  assert compiler_options.of_one_run(place) is None
