# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage catalog."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='catalog',
    function='plum_jax.stages.catalog.run',
    description='Checks raw interactions and writes them as a catalog.',
    reads=(),
    writes=('catalog/',),
)

if __name__ == '__main__':
  application.main(STAGE)
