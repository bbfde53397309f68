# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Two processes of four devices against one of eight."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.training import loop
from plum_jax.training import metric_writers

_SCRIPT = pathlib.Path(__file__).parent / 'one_of_several.py'
# A multiple of both cadences of `one_of_several`: a run that goes beyond it has
# the same figures up to there.
_NUM_STEPS = 24
_LIMIT_SECONDS = 240


def _start(work, num_steps, signals=None):
  """Starts two processes; `signals` are (batch, signal) by process."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  environment = {
      **os.environ,
      'PYTHONPATH': os.getcwd(),
      'JAX_PLATFORMS': 'cpu',
      'TF_CPP_MIN_LOG_LEVEL': '3',
      'XLA_FLAGS': '--xla_force_host_platform_device_count=4',
  }
  started = []
  for number in range(2):
    flags = [port, number, work, num_steps, *(signals or {}).get(number, ())]
    started.append(
        subprocess.Popen(
            [sys.executable, str(_SCRIPT), *map(str, flags)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
  return started


def _finish(started):
  """Waits; returns exit statuses and what was written to stderr."""
  try:
    errors = [one.communicate(timeout=_LIMIT_SECONDS)[1] for one in started]
  finally:
    for one in started:
      one.kill()
  return [one.returncode for one in started], errors


def _metrics(work):
  lines = metric_writers.read(work / loop.METRICS)
  return {
      (line['step'], name): value
      for line in lines
      for name, value in line.items()
      if name != 'step'
  }


def _assert_same_metrics(work, expected):
  found = _metrics(work)
  assert list(found) == list(expected)
  np.testing.assert_allclose(
      list(found.values()), list(expected.values()), rtol=1e-5
  )


def _in_one_process(work, num_steps, at=None):
  sys.path.insert(0, str(_SCRIPT.parent))
  try:
    import one_of_several
  finally:
    sys.path.pop(0)
  return one_of_several.train(work, num_steps, at)


def _steps(work):
  with checkpoints.Checkpoints(work / loop.CHECKPOINTS) as saved:
    return saved.steps()


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
  """The metrics of one process with eight devices."""
  work = tmp_path_factory.mktemp('one')
  _in_one_process(work, _NUM_STEPS)
  return _metrics(work)


def test_killed_and_preempted_job_gives_what_one_process_gives(
    expected, tmp_path
):
  # One process is killed: the other ends and names it.
  killed, survivor = 1, 0
  begun = _start(tmp_path, _NUM_STEPS, {killed: (15, int(signal.SIGKILL))})
  begun[killed].wait(_LIMIT_SECONDS)
  lost = time.monotonic()
  begun[survivor].wait(_LIMIT_SECONDS)
  assert time.monotonic() - lost < 60
  statuses, errors = _finish(begun)
  assert statuses[killed] == -signal.SIGKILL
  assert statuses[survivor] != 0
  assert 'unhealthy (stopped sending heartbeats):\n1\n' in errors[survivor]
  assert f'process 1 of 2: {begun[killed].pid} on ' in errors[0]
  # Whether the save of step 12 was still going on depends on the moment.
  assert _steps(tmp_path)[:2] == [4, 8]

  # Both go on; SIGTERM to one stops both after the same step.
  statuses, errors = _finish(
      _start(tmp_path, 10**6, {1: (14, int(signal.SIGTERM))})
  )
  assert statuses == [0, 0], '\n'.join(errors)
  stopped = _steps(tmp_path)[-1]
  assert stopped >= 14

  # One process goes on where two stopped.
  state = _in_one_process(tmp_path, max(stopped, _NUM_STEPS))
  assert int(state.step) == max(stopped, _NUM_STEPS)
  found = _metrics(tmp_path)
  common = [key for key in found if key in expected]
  assert len(common) == len(expected)
  np.testing.assert_allclose(
      [found[key] for key in common],
      [expected[key] for key in common],
      rtol=1e-5,
  )


def test_two_processes_go_on_where_one_stopped(expected, tmp_path):
  with pytest.raises(loop.Preempted):
    _in_one_process(tmp_path, _NUM_STEPS, at=8)
  # What a kill amid a save leaves.
  folder = tmp_path / loop.CHECKPOINTS
  shutil.copytree(folder / '8', folder / '16.orbax-checkpoint-tmp')
  statuses, errors = _finish(_start(tmp_path, _NUM_STEPS))
  assert statuses == [0, 0], '\n'.join(errors)
  assert _steps(tmp_path)[1:] == [_NUM_STEPS - 4, _NUM_STEPS]
  _assert_same_metrics(tmp_path, expected)
