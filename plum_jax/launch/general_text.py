# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage general_text."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='general_text',
    function='plum_jax.stages.general_text.run',
    description='Brings together text for a language model.',
    reads=(),
    writes=('general_text/',),
)

if __name__ == '__main__':
  application.main(STAGE)
