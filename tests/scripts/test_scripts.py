# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.scripts.conftest import SCRIPTS

ROOT = SCRIPTS.parents[1]
NAMES = {path.name for path in SCRIPTS.glob('*.sh')}


def test_shellcheck_finds_nothing():
  shellcheck = pathlib.Path(sys.executable).with_name('shellcheck')
  result = subprocess.run(
      [shellcheck, '-x', *sorted(SCRIPTS.glob('*.sh'))],
      capture_output=True,
      text=True,
      check=False,
  )
  assert result.returncode == 0, result.stdout + result.stderr


def test_an_installed_package_has_the_scripts(tmp_path):
  source = tmp_path / 'source'
  shutil.copytree(SCRIPTS, source / 'plum_jax' / 'scripts')
  for name in ('setup.py', 'README.md', 'plum_jax/__init__.py'):
    shutil.copy(ROOT / name, source / name)
  subprocess.run(
      [sys.executable, 'setup.py', '-q', 'build', f'--build-lib={tmp_path}/b'],
      cwd=source,
      capture_output=True,
      check=True,
  )
  built = tmp_path / 'b' / 'plum_jax' / 'scripts'
  assert {path.name for path in built.glob('*.sh')} == NAMES


@pytest.mark.parametrize('name', sorted(NAMES - {'launching.sh'}))
def test_a_script_can_be_executed(name):
  assert os.access(SCRIPTS / name, os.X_OK)
