# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage lem."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='lem',
    function='plum_jax.stages.lem.run',
    description='Trains the large embedding model, a baseline of item ids.',
    reads=('catalog/', 'training/ (with LEM_EQUAL_FLOPS)'),
    writes=('lem/',),
)

if __name__ == '__main__':
  application.main(STAGE)
