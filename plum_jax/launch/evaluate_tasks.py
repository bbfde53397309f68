# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage evaluate_tasks."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='evaluate_tasks',
    function='plum_jax.stages.evaluate_tasks.run',
    description='Measures ranking and rating beside retrieval, of all models.',
    reads=(
        'catalog/',
        'semantic_ids/',
        'vocabulary/',
        'tasks/',
        'training/',
        'sasrec/',
        'lem/',
        'bpr_mf/',
        'biased_mf/',
        'evaluation/',
    ),
    writes=('task_evaluation/',),
)

if __name__ == '__main__':
  application.main(STAGE)
