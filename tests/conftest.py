# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Eight CPU devices, rank promotion raises; see pyproject.toml for warnings."""

import importlib.util
import os

# Before the first import of JAX: the number of devices is read once.
os.environ['XLA_FLAGS'] = (
    os.environ.get('XLA_FLAGS', '')
    + ' --xla_force_host_platform_device_count=8'
)
os.environ['JAX_PLATFORMS'] = 'cpu'
# Most of the tests' time is XLA's, for programs that run once or twice. What
# tests start inherits it.
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import pathlib  # noqa: E402
import shutil  # noqa: E402

import jax  # noqa: E402
import pytest  # noqa: E402

from plum_jax.artifacts import download  # noqa: E402

jax.config.update('jax_numpy_rank_promotion', 'raise')

_SHARED_DATA = pathlib.Path(__file__).parents[2] / 'shared' / 'data'


def pytest_sessionstart(session):
  del session
  if jax.device_count() != 8:
    raise pytest.UsageError(
        f'The tests need 8 CPU devices, JAX has {jax.devices()}.'
    )


def pytest_collection_modifyitems(config, items):
  """Leaves out tests of what is not here, and says so."""
  if not _SHARED_DATA.is_dir():
    _leave_out(config, items, 'shared_data', f'{_SHARED_DATA} is not there')
  weights = download.cache_directory() / 'language_models' / 'gemma-3-270m'
  if not weights.is_dir():
    _leave_out(config, items, 'published_weights', f'{weights} is not there')
  if importlib.util.find_spec('t5x') is None:
    _leave_out(config, items, 't5x', 'T5X is not installed (docs/t5x.md)')
  if not any(
      map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))
  ):
    _leave_out(config, items, 'browser', 'there is no Chromium')


def _leave_out(config, items, marker, reason):
  left_out = [item for item in items if item.get_closest_marker(marker)]
  if left_out:
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    print(f'{len(left_out)} tests left out: {reason}.')


@pytest.fixture(scope='session')
def shared_data() -> pathlib.Path:
  """The folder with the Amazon 2014 sets; its tests are marked shared_data."""
  return _SHARED_DATA
