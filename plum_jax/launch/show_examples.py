# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage show_examples."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='show_examples',
    function='plum_jax.stages.show_examples.run',
    description='Prints examples of a task or mixture, as text and as tokens.',
    reads=('catalog/', 'semantic_ids/', 'vocabulary/', 'tasks/'),
    writes=('examples/',),
)

if __name__ == '__main__':
  application.main(STAGE)
