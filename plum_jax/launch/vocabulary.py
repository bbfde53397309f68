# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage vocabulary."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='vocabulary',
    function='plum_jax.stages.vocabulary.run',
    description='Puts text pieces and SID tokens into one SentencePiece file.',
    reads=('catalog/', 'semantic_ids/'),
    writes=('vocabulary/',),
)

if __name__ == '__main__':
  application.main(STAGE)
