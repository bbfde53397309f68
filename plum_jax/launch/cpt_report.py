# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage cpt_report."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='cpt_report',
    function='plum_jax.stages.cpt_report.run',
    description='Tells what continued pre-training has taught a generator.',
    reads=('catalog/', 'semantic_ids/', 'vocabulary/', 'tasks/', 'training/'),
    writes=('cpt_report/',),
)

if __name__ == '__main__':
  application.main(STAGE)
