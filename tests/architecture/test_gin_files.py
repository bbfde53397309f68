# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every file under gin/ is parsed, built and checked."""

import importlib
import importlib.util
import pathlib

import gin

from plum_jax.launch import pipeline
from plum_jax.launch.config import tree

_ROOT = pathlib.Path(__file__).parents[2]


def test_gin_folder_is_sound():
  stages = {
      name: stage.function for name, stage in pipeline.launchers().items()
  }
  t5x = importlib.util.find_spec('t5x') is not None
  found = tree.check(_ROOT, stages, t5x=t5x)
  assert not found, '\n'.join(map(str, found))


def test_every_stage_has_base_file_and_function():
  for name, stage in pipeline.launchers().items():
    assert (_ROOT / 'gin' / 'runs' / f'{name}.gin').is_file()
    module, _, function = stage.function.rpartition('.')
    assert callable(getattr(importlib.import_module(module), function))


def test_gin_folder_does_not_hide_gin_config():
  assert not list((_ROOT / 'gin').rglob('__init__.py'))
  assert gin.__file__ is not None
  assert not pathlib.Path(gin.__file__).is_relative_to(_ROOT / 'gin')
