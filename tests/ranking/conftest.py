# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.ranking import tiny_data


@pytest.fixture(scope='session', name='run')
def run_fixture(tmp_path_factory):
  return tiny_data.build(tmp_path_factory.mktemp('ranking_run'))


@pytest.fixture(scope='session', name='data')
def data_fixture(run):
  return tiny_data.load(run)
