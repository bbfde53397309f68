# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every file under gin/ is parsed, built and checked."""

import importlib
import importlib.util
import math
import pathlib
import warnings

import gin

from plum_jax.launch import application
from plum_jax.launch import pipeline
from plum_jax.launch import quickstart
from plum_jax.launch.config import loading
from plum_jax.launch.config import tree

_ROOT = pathlib.Path(__file__).parents[2]


def test_gin_folder_is_sound():
  stages = {
      name: stage.function for name, stage in pipeline.launchers().items()
  }
  t5x = importlib.util.find_spec('t5x') is not None
  with warnings.catch_warnings():
    if t5x:  # It uses what JAX has deprecated.
      warnings.simplefilter('ignore')
    found = tree.check(_ROOT, stages, t5x=t5x)
  assert not found, '\n'.join(map(str, found))


def test_sid_ablation_compares_sids_of_one_length_on_each_catalog():
  leaves = sorted((_ROOT / 'gin' / 'experiments').glob('sid_*.gin'))
  assert len(leaves) == 6
  for catalog in ([], [str(_ROOT / 'gin' / 'catalogs' / 'beauty.gin')]):
    sizes = []
    for leaf in leaves:
      arguments = loading.Arguments([str(leaf), *catalog])
      configs = application.load_all(quickstart.STAGES, arguments)
      sizes.append(configs[0].macro('CODEBOOK_SIZES'))
    assert len({(len(one), math.prod(one)) for one in sizes}) == 1
    assert len(set(sizes)) == 2


def test_every_stage_has_base_file_and_function():
  for name, stage in pipeline.launchers().items():
    assert (_ROOT / 'gin' / 'runs' / f'{name}.gin').is_file()
    module, _, function = stage.function.rpartition('.')
    assert callable(getattr(importlib.import_module(module), function))


def test_gin_folder_does_not_hide_gin_config():
  assert not list((_ROOT / 'gin').rglob('__init__.py'))
  assert gin.__file__ is not None
  assert not pathlib.Path(gin.__file__).is_relative_to(_ROOT / 'gin')
