# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage impressions."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='impressions',
    function='plum_jax.stages.impressions.run',
    description='Reads impressions, or makes them of ratings.',
    reads=('catalog/',),
    writes=('impressions/',),
)

if __name__ == '__main__':
  application.main(STAGE)
