# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import logging

from plum_jax.artifacts import progress


def test_update_logs_rate_and_time_left_when_due(caplog):
  now = [0.0]
  reporter = progress.Progress(
      'train', 100, 'steps', start=10, interval=5, clock=lambda: now[0]
  )
  with caplog.at_level(logging.INFO, 'plum_jax'):
    now[0] = 1.0
    reporter.update(20)
    now[0] = 6.0
    reporter.update(40, {'loss': 2.5})
    now[0] = 7.0
    reporter.update(100)
  assert [record.message for record in caplog.records] == [
      'train: 40/100 steps  5.0 steps/s  left 0:12  loss 2.5',
      'train: 100/100 steps  12.9 steps/s  took 0:07',
  ]
