# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage export_t5x."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='export_t5x',
    function='plum_jax.stages.export_t5x.run',
    description='Writes an unfinished training for T5X to go on with.',
    reads=('work/training-*/',),
    writes=('t5x/checkpoint_<step>/',),
)

if __name__ == '__main__':
  application.main(STAGE)
