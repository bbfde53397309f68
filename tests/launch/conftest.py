# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A folder gin/ with two small stages, to copy and to break."""

import pathlib
import shutil

import gin
import pytest

from plum_jax.launch import stage
from plum_jax.launch.config import loading

_TESTDATA = pathlib.Path(__file__).parent / 'testdata'


@pytest.fixture
def tree(tmp_path, monkeypatch) -> pathlib.Path:
  """A copy of testdata/gin in a fresh folder, which is the current one."""
  shutil.copytree(_TESTDATA / 'gin', tmp_path / 'gin')
  monkeypatch.syspath_prepend(_TESTDATA)
  monkeypatch.chdir(tmp_path)
  yield tmp_path
  gin.clear_config()


@pytest.fixture
def greeting(tree) -> stage.Stage:
  """The stage that writes a greeting."""
  del tree
  import greeting_launcher

  return greeting_launcher.GREETING


@pytest.fixture
def copy(greeting) -> stage.Stage:
  """The stage that copies it."""
  del greeting
  import greeting_launcher

  return greeting_launcher.COPY


@pytest.fixture
def load(tree):
  """Configures the greeting with a leaf's text and flags."""

  def load_text(leaf: str = '', *flags: str) -> loading.Config:
    (tree / 'leaf.gin').write_text(leaf, encoding='utf-8')
    arguments = loading.Arguments(['leaf.gin'], flags, [str(tree)])
    return loading.load('greeting', 'greeting_stages.write', arguments)

  return load_text
