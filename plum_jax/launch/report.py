# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage report."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='report',
    function='plum_jax.stages.report.run',
    description='Draws what the run recorded and prints the results.',
    reads=('all of the above',),
    writes=('report.html',),
)

if __name__ == '__main__':
  application.main(STAGE)
