# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Looking tokens up in a table that is cut moves rows, not the whole batch."""

import os
import subprocess
import sys

_PROGRAM = """
import jax
import jax.numpy as jnp
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.sharding import axis_rules
from plum_jax.sharding.mesh import make_mesh
from plum_jax.training import step
from plum_jax.training.config import TrainConfig

model = DecoderOnlyModel(TransformerConfig(
    vocab_size=256, emb_dim=64, num_heads=4, head_dim=16, mlp_dim=128,
    num_layers=1))
tokens = jax.ShapeDtypeStruct((16, 8), jnp.int32)
batch = {'decoder_input_tokens': tokens, 'decoder_target_tokens': tokens}
step.lower_train_step(
    model, TrainConfig(num_steps=3), make_mesh(2, 2, 2), axis_rules.preset(),
    batch).compile()
print('compiled')
"""


def test_look_up_on_mesh_of_all_axes_rematerializes_nothing():
  # XLA warns on stderr, if it may; the level is read once a process.
  environment = os.environ | {'TF_CPP_MIN_LOG_LEVEL': '0'}
  done = subprocess.run(
      [sys.executable, '-c', _PROGRAM],
      env=environment,
      capture_output=True,
      text=True,
      check=False,
  )
  assert done.stdout == 'compiled\n', done.stderr
  assert 'Involuntary full rematerialization' not in done.stderr
