# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage ranking_study."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='ranking_study',
    function='plum_jax.stages.ranking_study.run',
    description='Compares rankers over item features, table sizes and seeds.',
    reads=('catalog/', 'impressions/', 'semantic_ids/', 'item_embeddings/'),
    writes=('ranking_study/',),
)

if __name__ == '__main__':
  application.main(STAGE)
