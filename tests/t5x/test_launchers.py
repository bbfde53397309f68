# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""T5X's launchers as they are called, beside our own; needs T5X."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.t5x, pytest.mark.timeout(900)]

_ROOT = pathlib.Path(__file__).parents[2]
_LEAF = """
from __gin__ import dynamic_registration
from tasks import retrieval
include 'gin/models/encoder_decoder_tiny.gin'
MIXTURE_OR_TASK_NAME = @retrieval.register()
TASK_FEATURE_LENGTHS = {{'inputs': 12, 'targets': 3}}
RUN_DIR = '{run_dir}'
BATCH_SIZE = 16
CUTOFFS = (1, 5)
EVALUATION_BATCH_SIZE = 8
TRAIN_STEPS = 8
WARMUP_STEPS = 2
EVAL_PERIOD = 4
CHECKPOINT_PERIOD = 4
retrieval.register.dataset = 't5x_launchers'
retrieval.register.run_directory = %RUN_DIR
"""


def _call(module, *arguments, devices):
  flags = f'--xla_force_host_platform_device_count={devices}'
  done = subprocess.run(
      [sys.executable, '-W', 'ignore', '-m', module, *arguments],
      cwd=_ROOT,
      env={**os.environ, 'XLA_FLAGS': flags, 'JAX_PLATFORMS': 'cpu'},
      capture_output=True,
      text=True,
      check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  return done.stderr


def _losses(log):
  pattern = r'\[(\d+)\] collection=train .*? loss=([0-9.]+),'
  return {int(step): float(loss) for step, loss in re.findall(pattern, log)}


@pytest.mark.parametrize('devices', [1, 8])
def test_train_resume_evaluate_and_infer(run_directory, tmp_path, devices):
  leaf = tmp_path / 'leaf.gin'
  leaf.write_text(_LEAF.format(run_dir=run_directory), encoding='utf-8')
  mesh = []
  if devices > 1:
    mesh = [
        '--gin.NUM_PARTITIONS=None',
        '--gin.MODEL_PARALLEL_SUBMESH=(1, 1, 1, 2)',
    ]

  def t5x(launcher, base, *arguments):
    return _call(
        f't5x.{launcher}',
        f'--gin_file=gin/t5x/{base}.gin',
        f'--gin_file={leaf}',
        *mesh,
        *arguments,
        devices=devices,
    )

  model_dir = f'--gin.MODEL_DIR="{tmp_path / "model"}"'
  train = [model_dir, '--gin.STATS_PERIOD=1', '--gin.EVAL_STEPS=1']
  # The schedule stays that of eight steps.
  first = t5x(
      'train',
      'finetune',
      *train,
      '--gin.TRAIN_STEPS=4',
      '--gin.schedules.Cosine.num_steps=8',
  )
  losses = {**_losses(first), **_losses(t5x('train', 'finetune', *train))}

  _call(
      'plum_jax.launch.train',
      f'--gin_file={leaf}',
      '--gin.BEST_METRIC=None',
      '--gin.MAX_VALIDATION_USERS=0',
      '--gin.TrainConfig.log_every=1',
      f'--gin.MESH_TENSOR={min(devices, 2)}',
      devices=devices,
  )
  metrics = run_directory / 'training' / 'metrics.jsonl'
  own = [json.loads(line) for line in metrics.read_text().splitlines()]
  expected = {line['step']: line['train/loss'] for line in own}
  assert losses == pytest.approx(expected, rel=1e-4)
  assert sorted(losses) == list(range(1, 9))

  checkpoint = f'--gin.CHECKPOINT_PATH="{tmp_path / "model" / "checkpoint_8"}"'
  t5x(
      'eval', 'eval', checkpoint, f'--gin.EVAL_OUTPUT_DIR="{tmp_path / "eval"}"'
  )
  (written,) = (tmp_path / 'eval').rglob('*-metrics.jsonl')
  found = json.loads(written.read_text())
  assert found['retrieval/valid_sid_rate'] == 1.0
  assert 0 < found['retrieval/recall@5'] <= 1

  out = tmp_path / 'infer'
  t5x('infer', 'infer', checkpoint, f'--gin.INFER_OUTPUT_DIR="{out}"')
  (written,) = out.glob('*.jsonl-00000-of-00001')
  rows = [json.loads(line) for line in written.read_text().splitlines()]
  assert len(rows) == 24
  hits = [row['inputs']['target_item_id'] for row in rows]
  assert all(0 <= item < 6 for item in hits)
