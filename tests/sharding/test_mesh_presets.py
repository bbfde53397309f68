# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Presets in Python and for experiments are the same, and make meshes."""

import pathlib
import re

import pytest

from plum_jax.sharding import axis_rules
from plum_jax.sharding.mesh import make_mesh
from plum_jax.sharding.mesh_presets import PRESETS

_FOLDER = pathlib.Path(__file__).parents[2] / 'gin' / 'hardware'


def test_every_preset_has_a_gin_file():
  assert {path.stem for path in _FOLDER.glob('*.gin')} == set(PRESETS)


@pytest.mark.parametrize('name', list(PRESETS))
def test_preset_equals_its_gin_file(name):
  text = (_FOLDER / f'{name}.gin').read_text(encoding='utf-8')
  preset = PRESETS[name]
  assert dict(re.findall(r'^(\w+) = (.+)$', text, re.MULTILINE)) == {
      'MESH_DATA': str(preset.data),
      'MESH_FSDP': str(preset.fsdp),
      'MESH_TENSOR': str(preset.tensor),
      'AXIS_RULES': repr(preset.axis_rules),
      'TPU_COMPILER_OPTIONS': repr(preset.tpu_compiler_options),
  }


@pytest.mark.parametrize('name', list(PRESETS))
def test_preset_uses_all_devices(name):
  preset = PRESETS[name]
  mesh = make_mesh(preset.data, preset.fsdp, preset.tensor)
  assert mesh.size == 8
  assert axis_rules.preset(preset.axis_rules)
