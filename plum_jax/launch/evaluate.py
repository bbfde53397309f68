# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage evaluate."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='evaluate',
    function='plum_jax.stages.evaluate.run',
    description='Evaluates generator and baselines in the same way.',
    reads=(
        'catalog/',
        'semantic_ids/',
        'vocabulary/',
        'tasks/',
        'training/',
        'sasrec/',
        'lem/',
        'bpr_mf/',
    ),
    writes=('evaluation/',),
)

if __name__ == '__main__':
  application.main(STAGE)
