# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A launcher like those of plum_jax.launch, for tests."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

GREETING = Stage(
    name='greeting',
    function='greeting_stages.write',
    description='Writes a greeting.',
    reads=(),
    writes=('greeting/',),
)
COPY = Stage(
    name='copy',
    function='greeting_stages.copy',
    description='Copies it.',
    reads=('greeting/',),
    writes=('copy/',),
)

if __name__ == '__main__':
  application.main(GREETING)
