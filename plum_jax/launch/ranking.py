# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage ranking."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='ranking',
    function='plum_jax.stages.ranking.run',
    description='Trains and measures a ranker with one item feature.',
    reads=('catalog/', 'impressions/', 'semantic_ids/', 'item_embeddings/'),
    writes=('ranking/',),
)

if __name__ == '__main__':
  application.main(STAGE)
