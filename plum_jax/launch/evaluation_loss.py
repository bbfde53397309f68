# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage evaluation_loss."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='evaluation_loss',
    function='plum_jax.stages.evaluation_loss.run',
    description="Measures the generator's loss on targets that were held out.",
    reads=('training/', 'tasks/', 'vocabulary/', 'semantic_ids/'),
    writes=('evaluation_loss/',),
)

if __name__ == '__main__':
  application.main(STAGE)
