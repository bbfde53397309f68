# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage sasrec."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='sasrec',
    function='plum_jax.stages.sasrec.run',
    description='Trains the conventional baseline.',
    reads=('catalog/',),
    writes=('sasrec/',),
)

if __name__ == '__main__':
  application.main(STAGE)
