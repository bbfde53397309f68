# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Launcher of the stage bpr_mf."""

from plum_jax.launch import application
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='bpr_mf',
    function='plum_jax.stages.bpr_mf.run',
    description='Trains BPR-MF, a baseline of retrieval and ranking.',
    reads=('catalog/',),
    writes=('bpr_mf/',),
)

if __name__ == '__main__':
  application.main(STAGE)
