# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage tasks."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='tasks',
    function='plum_jax.stages.tasks.run',
    description='Writes user histories for SeqIO, in the format of TFDS.',
    reads=('catalog/', 'semantic_ids/'),
    writes=('tasks/',),
)

if __name__ == '__main__':
  application.main(STAGE)
