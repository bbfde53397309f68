# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ten of the benchmark's kills, and that it would notice a difference."""

import dataclasses

import numpy as np
import pytest

from benchmarks import kills
from plum_jax.training import loop


@pytest.fixture(scope='module')
def experiment(tmp_path_factory):
  return kills.Experiment(tmp_path_factory.mktemp('kills'), num_steps=100)


def test_ten_kills_leave_the_uninterrupted_parameters_and_metrics(experiment):
  rng, tally = np.random.default_rng(1), kills.Tally()
  while (left := 10 - tally.kills.total()) > 0:
    experiment.kill_and_resume(rng, left, tally)
  assert tally.kills.total() == 10
  assert tally.different == []
  assert tally.runs > 0


def test_another_result_is_reported(experiment, monkeypatch):
  result = kills.result

  def changed(run_dir):
    return {**result(run_dir), loop.METRICS: b'', 'final scale': b'\0'}

  monkeypatch.setattr(kills, 'result', changed)
  tally = dataclasses.replace(kills.Tally(), runs=3)
  experiment.kill_and_resume(np.random.default_rng(0), 0, tally)
  assert tally.different == ['run 4, metrics.jsonl', 'run 4, final scale']
