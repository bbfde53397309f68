# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage item_embeddings."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='item_embeddings',
    function='plum_jax.stages.item_embeddings.run',
    description='Embeds the content of each item.',
    reads=('catalog/',),
    writes=('item_embeddings/',),
)

if __name__ == '__main__':
  application.main(STAGE)
