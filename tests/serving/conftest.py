# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A bundle, written, read and compiled once."""

import pytest

from plum_jax.serving import bundle
from plum_jax.serving import service
from plum_jax.serving.engine import Engine
from plum_jax.testing import tiny_bundle
from tests.serving import running_service


@pytest.fixture(scope='session')
def bundle_path(tmp_path_factory):
  """A folder that no test writes to."""
  path = tmp_path_factory.mktemp('bundles') / 'bundle'
  tiny_bundle.write(path)
  return path


@pytest.fixture(scope='session')
def tiny(bundle_path):
  return bundle.load(bundle_path)


@pytest.fixture(scope='session')
def service_engine(tiny, bundle_path):
  """With the programs that `running_service.config` asks for."""
  return Engine(tiny, running_service.config(bundle_path).engine)


@pytest.fixture
def compiled_service(monkeypatch, service_engine):
  """Services take programs over instead of compiling them again."""
  known = {service_engine.bundle.version: service_engine}

  def make(of_bundle, config, previous=None):
    like = known.get(of_bundle.version, previous or service_engine)
    made = known[of_bundle.version] = Engine(of_bundle, config, like)
    return made

  monkeypatch.setattr(service, 'Engine', make)
