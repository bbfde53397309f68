# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Both launchers as they are called, on a tiny run."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

_ROOT = pathlib.Path(__file__).parents[2]
_LEAF = """
from __gin__ import dynamic_registration
from tasks import {task}
include 'gin/models/{kind}_tiny.gin'
MIXTURE_OR_TASK_NAME = @{task}.register()
TASK_FEATURE_LENGTHS = {lengths}
RUN_DIR = '{run_dir}'
BATCH_SIZE = 16
CUTOFFS = (1, 5)
EVALUATION_BATCH_SIZE = 8
TRAIN_STEPS = {num_steps}
WARMUP_STEPS = 2
EVAL_PERIOD = 4
CHECKPOINT_PERIOD = 4
{task}.register.dataset = 't5x_launchers'
{task}.register.run_directory = %RUN_DIR
"""
_TASKS = {
    'encoder_decoder': ('retrieval', {'inputs': 12, 'targets': 3}),
    'decoder_only': ('histories', {'targets': 15}),
}


def write_leaf(path, run_dir, num_steps, kind='encoder_decoder'):
  """Writes an experiment; returns its path."""
  task, lengths = _TASKS[kind]
  path.write_text(
      _LEAF.format(
          task=task,
          kind=kind,
          lengths=lengths,
          run_dir=run_dir,
          num_steps=num_steps,
      ),
      encoding='utf-8',
  )
  return path


def _start(module, *arguments, devices):
  flags = f'--xla_force_host_platform_device_count={devices}'
  return subprocess.Popen(
      [sys.executable, '-W', 'ignore', '-m', module, *arguments],
      cwd=_ROOT,
      env={**os.environ, 'XLA_FLAGS': flags, 'JAX_PLATFORMS': 'cpu'},
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
  )


def call(module, *arguments, devices):
  """Runs a module on CPU devices; returns what it writes to stderr."""
  process = _start(module, *arguments, devices=devices)
  words = process.communicate()[1]
  assert process.returncode == 0, words[-3000:]
  return words


def t5x(launcher, base, leaf, *arguments, devices, tensor=1):
  """Runs one of T5X's launchers on a mesh of devices / tensor x tensor."""
  mesh = []
  if devices > 1:
    mesh = [
        '--gin.NUM_PARTITIONS=None',
        f'--gin.MODEL_PARALLEL_SUBMESH=(1, 1, 1, {tensor})',
    ]
  return call(
      f't5x.{launcher}',
      f'--gin_file=gin/t5x/{base}.gin',
      f'--gin_file={leaf}',
      *mesh,
      *arguments,
      devices=devices,
  )


def _own(leaf, tensor):
  return (
      'plum_jax.launch.train',
      f'--gin_file={leaf}',
      '--gin.BEST_METRIC=None',
      '--gin.MAX_VALIDATION_USERS=0',
      '--gin.TrainConfig.log_every=1',
      f'--gin.MESH_TENSOR={tensor}',
  )


def train(leaf, *arguments, devices, tensor=1):
  """Trains with our own launcher, logging every step."""
  call(*_own(leaf, tensor), *arguments, devices=devices)


def train_and_kill(leaf, run_dir, *, devices, tensor=1):
  """Does the same and kills it after the first checkpoint."""
  process = _start(*_own(leaf, tensor), devices=devices)
  while not list(run_dir.glob('work/training-*/checkpoint/[0-9]*[0-9]')):
    assert process.poll() is None, process.communicate()[1][-3000:]
    time.sleep(0.005)
  process.kill()
  process.communicate()


def t5x_losses(log):
  """Returns losses by step from what T5X's launcher has written."""
  pattern = r'\[(\d+)\] collection=train .*? loss=([0-9.]+),'
  return {int(step): float(loss) for step, loss in re.findall(pattern, log)}


def losses(metrics):
  """Returns losses by step from a file of metrics of ours."""
  lines = [json.loads(line) for line in metrics.read_text().splitlines()]
  return {line['step']: line['train/loss'] for line in lines}
