# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""One process of a small training; `test_several_processes` starts them."""

import os
import signal
import sys

import jax

from plum_jax.artifacts import processes
from plum_jax.data.shared_batches import SharedBatches
from plum_jax.launch import chatter
from plum_jax.launch import several_processes
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.testing import tiny_model
from plum_jax.training import device_batches
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig

BATCH_SIZE = 8
HEARTBEAT_TIMEOUT_SECONDS = 10


class _Shard(tiny_model.TinyBatches):
  """Batches of a shard; sends this process a signal when one is read."""

  def __init__(self, index, batch_size, at, number):
    super().__init__(batch_size=batch_size, seed=index)
    self._at, self._signal = at, number

  def __next__(self):
    if self.state()['number'] == self._at:
      os.kill(os.getpid(), self._signal)
    return super().__next__()


def _evaluate(params, step):
  scale = processes.fetch(params)['scale']
  return {'scale': float(scale.mean()) + 0 * step}


def train(work, num_steps, at=None, number=signal.SIGTERM):
  """Trains on eight devices, of one process or of several."""
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  return loop.train(
      tiny_model.TinyModel(dropout_rate=0.1),
      SharedBatches(
          lambda index, size: _Shard(index, size, at, number),
          2,
          BATCH_SIZE,
          device_batches.local_rows(mesh, BATCH_SIZE),
      ),
      TrainConfig(
          num_steps=num_steps,
          optimizer=optimizers.AdamW(schedules.Constant(0.01)),
          log_every=1,
          checkpoint_every=4,
          checkpoint_every_seconds=1e6,
          evaluate_every=6,
          best_metric='scale',
      ),
      mesh=mesh,
      rules=axis_rules.preset(),
      work_directory=work,
      evaluate=_evaluate,
  )


def _main(port, process_id, work, num_steps, at='0', number='15'):
  chatter.set_up_logging()
  several_processes.HEARTBEAT_TIMEOUT_SECONDS = HEARTBEAT_TIMEOUT_SECONDS
  several_processes.join(
      several_processes.Job(f'localhost:{port}', 2, int(process_id))
  )
  assert len(jax.local_devices()) == 4
  try:
    train(work, int(num_steps), int(at) or None, int(number))
  except Exception as error:
    several_processes.leave(1, error)


if __name__ == '__main__':
  _main(*sys.argv[1:])
