# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage semantic_id_report."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='semantic_id_report',
    function='plum_jax.stages.semantic_id_report.run',
    description='Tells whether Semantic IDs are any good; compares tables.',
    reads=('catalog/', 'item_embeddings/', 'semantic_ids/'),
    writes=('semantic_id_report/',),
)

if __name__ == '__main__':
  application.main(STAGE)
