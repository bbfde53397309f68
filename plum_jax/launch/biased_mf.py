# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage biased_mf."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='biased_mf',
    function='plum_jax.stages.biased_mf.run',
    description='Trains biased matrix factorization, a baseline of ratings.',
    reads=('catalog/',),
    writes=('biased_mf/',),
)

if __name__ == '__main__':
  application.main(STAGE)
