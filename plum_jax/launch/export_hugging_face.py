# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage export_hugging_face."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='export_hugging_face',
    function='plum_jax.stages.export_hugging_face.run',
    description='Writes the generator as a folder that transformers loads.',
    reads=('semantic_ids/', 'vocabulary/', 'training/'),
    writes=('hugging_face/',),
)

if __name__ == '__main__':
  application.main(STAGE)
