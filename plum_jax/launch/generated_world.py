# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage generated_world."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='generated_world',
    function='plum_jax.stages.generated_world.run',
    description='Generates items, users and impressions to study ranking in.',
    reads=(),
    writes=('generated_world/',),
)

if __name__ == '__main__':
  application.main(STAGE)
