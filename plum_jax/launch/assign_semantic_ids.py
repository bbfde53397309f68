# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage assign_semantic_ids."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='assign_semantic_ids',
    function='plum_jax.stages.assign_semantic_ids.run',
    description='Gives new items Semantic IDs; old items keep theirs.',
    reads=('catalog/', 'item_embeddings/', 'semantic_ids/'),
    writes=('semantic_ids/',),
)

if __name__ == '__main__':
  application.main(STAGE)
