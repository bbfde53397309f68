# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage semantic_ids."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='semantic_ids',
    function='plum_jax.stages.semantic_ids.run',
    description='Trains an RQ-VAE and gives each item a Semantic ID.',
    reads=('catalog/', 'item_embeddings/'),
    writes=('semantic_ids/',),
)

if __name__ == '__main__':
  application.main(STAGE)
