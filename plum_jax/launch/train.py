# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage train."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='train',
    function='plum_jax.stages.train.run',
    description='Trains the generator on a SeqIO task.',
    reads=('semantic_ids/', 'vocabulary/', 'tasks/'),
    writes=('training/',),
    several_processes=True,
)

if __name__ == '__main__':
  application.main(STAGE)
