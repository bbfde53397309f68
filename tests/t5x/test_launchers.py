# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""T5X's launchers as they are called, beside our own; needs T5X."""

import json
import shutil

import pytest

from plum_jax.training import loop
from tests.t5x import launching

pytestmark = [pytest.mark.t5x, pytest.mark.timeout(3600)]

_NUM_STEPS = 8
_EVERY_STEP = ('--gin.STATS_PERIOD=1', '--gin.EVAL_STEPS=1')


def _until(step, num_steps=_NUM_STEPS):
  """Ends at a step, with the schedule of all steps."""
  return (
      f'--gin.TRAIN_STEPS={step}',
      f'--gin.schedules.Cosine.num_steps={num_steps}',
  )


def _path(name, path):
  return f'--gin.{name}="{path}"'


@pytest.mark.parametrize('devices', [1, 8])
def test_train_resume_evaluate_and_infer(run_directory, tmp_path, devices):
  leaf = launching.write_leaf(tmp_path / 'leaf.gin', run_directory, _NUM_STEPS)
  mesh = {'devices': devices, 'tensor': min(devices, 2)}
  train = [_path('MODEL_DIR', tmp_path / 'model'), *_EVERY_STEP]
  logs = [
      launching.t5x('train', 'finetune', leaf, *train, *more, **mesh)
      for more in (_until(_NUM_STEPS // 2), ())
  ]
  losses = {k: v for log in logs for k, v in launching.t5x_losses(log).items()}

  shutil.rmtree(run_directory / 'training', ignore_errors=True)
  launching.train(leaf, **mesh)
  expected = launching.losses(run_directory / 'training' / loop.METRICS)
  assert losses == pytest.approx(expected, rel=1e-4)
  assert sorted(losses) == list(range(1, _NUM_STEPS + 1))

  checkpoint = _path('CHECKPOINT_PATH', tmp_path / 'model' / 'checkpoint_8')
  out = _path('EVAL_OUTPUT_DIR', tmp_path / 'eval')
  launching.t5x('eval', 'eval', leaf, checkpoint, out, **mesh)
  (written,) = (tmp_path / 'eval').rglob('*-metrics.jsonl')
  found = json.loads(written.read_text())
  assert found['retrieval/valid_sid_rate'] == 1.0
  assert 0 < found['retrieval/recall@5'] <= 1

  out = _path('INFER_OUTPUT_DIR', tmp_path / 'infer')
  launching.t5x('infer', 'infer', leaf, checkpoint, out, **mesh)
  (written,) = (tmp_path / 'infer').glob('*.jsonl-00000-of-00001')
  rows = [json.loads(line) for line in written.read_text().splitlines()]
  assert len(rows) == 24
  hits = [row['inputs']['target_item_id'] for row in rows]
  assert all(0 <= item < 6 for item in hits)


@pytest.mark.parametrize(
    ('kind', 'devices'), [('encoder_decoder', 1), ('decoder_only', 8)]
)
def test_checkpoint_of_either_launcher_continues_in_the_other(
    run_directory, tmp_path, kind, devices
):
  # Many steps, so that our own training can be killed before its end.
  num_steps, half = 40, 4
  run = tmp_path / 'run'
  leaf = launching.write_leaf(tmp_path / 'leaf.gin', run, num_steps, kind)
  shutil.copytree(run_directory, run)
  shutil.rmtree(run / 'training', ignore_errors=True)
  mesh = {'devices': devices, 'tensor': min(devices, 2)}

  launching.train(leaf, **mesh)
  whole = launching.losses(run / 'training' / loop.METRICS)
  shutil.rmtree(run / 'training')

  model = tmp_path / 't5x'
  arguments = [_path('MODEL_DIR', model), *_until(half, num_steps)]
  launching.t5x('train', 'pretrain', leaf, *arguments, **mesh)
  arguments = [f'--gin.CONTINUE_FROM={model}', *_until(2 * half, num_steps)]
  launching.train(leaf, *arguments, **mesh)
  found = launching.losses(run / 'training' / loop.METRICS)
  assert found == pytest.approx(
      {step: whole[step] for step in range(half + 1, 2 * half + 1)}, rel=1e-4
  )
  shutil.rmtree(run / 'training')

  launching.train_and_kill(leaf, run, **mesh)
  model = tmp_path / 'ours'
  launching.call(
      'plum_jax.launch.export_t5x',
      f'--gin_file={leaf}',
      f'--gin.MODEL_DIR={model}',
      devices=1,
  )
  (exported,) = model.iterdir()
  step = int(exported.name.removeprefix('checkpoint_'))
  arguments = [_path('MODEL_DIR', model), *_until(step + half, num_steps)]
  log = launching.t5x(
      'train', 'pretrain', leaf, *arguments, *_EVERY_STEP, **mesh
  )
  assert launching.t5x_losses(log) == pytest.approx(
      {k: whole[k] for k in range(step + 1, step + half + 1)}, rel=1e-4
  )
