# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import shutil
import tarfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.networks.config import T5Config
from plum_jax.networks.decoder_only import DecoderOnly
from plum_jax.networks.encoder_decoder import Transformer

_TESTDATA = pathlib.Path(__file__).parent / 'testdata'


@pytest.fixture(scope='session')
def t5x(tmp_path_factory) -> pathlib.Path:
  """Checkpoints that T5X wrote; see testdata/make_t5x.py."""
  folder = tmp_path_factory.mktemp('t5x')
  with tarfile.open(_TESTDATA / 't5x.tar.xz') as archive:
    # Python has filters from 3.11.4 on.
    safe = {'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}
    archive.extractall(folder, **safe)
  return folder


@pytest.fixture
def hugging_face(tmp_path) -> pathlib.Path:
  """A copy of what testdata/make_hugging_face.py made, to be changed."""
  return pathlib.Path(
      shutil.copytree(_TESTDATA / 'hugging_face', tmp_path / 'hugging_face')
  )


@pytest.fixture(scope='session')
def hugging_face_golden():
  return np.load(_TESTDATA / 'hugging_face' / 'golden.npz')


def _shifted(targets):
  return np.pad(targets, ((0, 0), (1, 0)))[:, :-1]


@pytest.fixture
def apply():
  """Computes logits of targets, all of them real, from parameters."""

  def run(config, params, inputs, targets, real=None):
    real = np.ones_like(targets) if real is None else real
    if isinstance(config, T5Config):
      network, inputs = Transformer(config), (inputs,)
    else:
      network, inputs = DecoderOnly(config), ()
    return jax.jit(
        lambda params: network.apply(
            {'params': params},
            *map(jnp.asarray, (*inputs, _shifted(targets), real)),
            enable_dropout=False,
        ),
        # Compiling takes most of the time.
        compiler_options={'xla_backend_optimization_level': 0},
    )(params)

  return run
