# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage bundle."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='bundle',
    function='plum_jax.stages.bundle.run',
    description='Puts all that serving needs into one folder.',
    reads=(
        'catalog/',
        'item_embeddings/',
        'semantic_ids/',
        'vocabulary/',
        'training/',
    ),
    writes=('bundle/',),
)

if __name__ == '__main__':
  application.main(STAGE)
