# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A scaling study whose runs are made up: planned, gone on with, predicted."""

import json
import math
import pathlib

import gin
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import scaling_plan
from plum_jax.launch import scaling_study
from plum_jax.models import flops
from plum_jax.models import saved
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.scaling import family
from plum_jax.scaling import results as results_lib
from plum_jax.scaling import study
from plum_jax.stages import compute_budget

_ROOT = pathlib.Path(__file__).parents[2]
_LEAF = str(_ROOT / 'gin' / 'experiments' / 'scaling_ml100k.gin')
_FOLDERS = {
    'train': 'training',
    'evaluate': 'evaluation',
    'evaluation_loss': 'evaluation_loss',
}
_FEED = {
    'converter': 'decoder_only',
    'task_feature_lengths': {'targets': 150},
    'batch_size': 32,
}


def _flags(run_dir, *more):
  return [
      f'--gin_file={_LEAF}',
      f'--gin.RUN_DIR={run_dir}',
      '--gin.SCALING_SIZES=(1, 2, 3)',
      '--gin.SCALING_BUDGETS=(1e12, 4e12)',
      '--gin.SCALING_DRAWS=10',
      '--stages=train,evaluate,evaluation_loss',
      *more,
  ]


def _loss(size, budget):
  best = 3e4 * (budget / 1e12) ** 0.5
  distance = math.log(12_288 * size**3 / best)
  return 3 * (budget / 1e12) ** -0.1 * math.exp(0.02 * distance**2)


def _make(name, folder, size, budget):
  """Writes what a finished stage leaves, as far as a study reads it."""
  loss, parameters = _loss(size, budget), {}
  folder.mkdir(parents=True)
  if name == 'train':
    config = family.network(size, 640)
    steps = compute_budget.train_steps(config, **_FEED, training_flops=budget)
    model = saved.to_json(DecoderOnlyModel(config))
    parameters = {'model': model, 'feed': _FEED}
    # Only the last tenth counts, and no auxiliary loss.
    lines = [
        {'step': steps // 2, 'train/loss': 99.0, 'train/loss_weight': 9.0},
        {
            'step': steps,
            'train/loss': loss + 0.25,
            'train/router_loss': 0.25,
            'train/loss_weight': 9.0,
        },
    ]
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (folder / 'metrics.jsonl').write_text(text, encoding='utf-8')
  else:
    metrics = {
        'generative/retrieval/recall@10': 1 - loss / 5,
        'generative/evaluation_loss': 1.1 * loss,
    }
    (folder / 'metrics.json').write_text(json.dumps(metrics), encoding='utf-8')
  manifest.Manifest(name, {}, parameters).save(folder)


@pytest.fixture
def calls(monkeypatch):
  """Lets runs be made up; lists (stage, size, budget) of those that were."""
  made = []
  original = application.call

  def call(stage, config, run_dir):
    if stage.name not in _FOLDERS:
      original(stage, config, run_dir)
      return
    folder = run_dir / _FOLDERS[stage.name]
    if not folder.exists():
      size = config.macro('MODEL_SIZE')
      budget = config.macro('TRAINING_FLOPS')
      assert config.macro('RUN_DIR') == str(run_dir)
      _make(stage.name, folder, size, budget)
      made.append((stage.name, size, budget))

  monkeypatch.setattr(application, 'call', call)
  yield made
  gin.clear_config()


def _status(*flags):
  with pytest.raises(SystemExit) as end:
    scaling_study.main(flags)
  return end.value.code


def test_study_is_run_gone_on_with_and_predicted(calls, tmp_path, capsys):
  assert _status(*_flags(tmp_path)) == 0
  trained = [(size, budget) for name, size, budget in calls if name == 'train']
  assert trained == [(s, c) for c in (1e12, 4e12) for s in (1, 2, 3)]
  report = tmp_path / 'scaling_study'
  values = json.loads((report / results_lib.JSON_FILE).read_text())
  assert values['prediction'] is None
  for run in values['runs']:
    wanted = _loss(run['size'], run['budget'])
    assert run['metrics'][study.TRAINING_LOSS] == pytest.approx(wanted)
    assert run['metrics'][study.MISS_RATE] == pytest.approx(wanted / 5)
    config = family.network(run['size'], 640)
    step = family.token_flops(config, 150).training * 32 * 150
    assert run['flops'] == pytest.approx(step * run['steps'])
    assert abs(run['flops'] - run['budget']) <= step / 2
    assert run['tokens'] == run['steps'] * 32 * 150
  assert 'evaluation loss' in capsys.readouterr().out

  # The same again makes nothing; a prediction makes its run alone.
  calls.clear()
  assert _status(*_flags(tmp_path)) == 0
  assert not calls
  assert _status(*_flags(tmp_path, '--predict')) == 0
  assert [name for name, _, _ in calls] == list(_FOLDERS)
  [size], [budget] = ({call[i] for call in calls} for i in (1, 2))
  assert budget == pytest.approx(1.6e13)
  values = json.loads((report / results_lib.JSON_FILE).read_text())
  assert len(values['runs']) == 6
  made = values['prediction']
  assert made['size'] == size
  assert made['metrics'][study.EVALUATION_LOSS]['measured'] == pytest.approx(
      1.1 * _loss(size, budget)
  )
  assert abs(made['metrics'][study.EVALUATION_LOSS]['relative_error']) < 0.05

  # What was predicted stays as it was written.
  written = (tmp_path / results_lib.PREDICTION_FILE).read_bytes()
  calls.clear()
  assert _status(*_flags(tmp_path, '--predict')) == 0
  assert not calls
  assert (tmp_path / results_lib.PREDICTION_FILE).read_bytes() == written


def test_run_of_another_budget_or_size_is_refused(tmp_path):
  from plum_jax.stages import scaling_study as stage

  run = tmp_path / study.run_name(2, 1e12) / 'seed_0'
  for name, folder in _FOLDERS.items():
    _make(name, run / folder, 2, 1e12)
  assert stage.read_record(str(tmp_path), 2, 1e12, 0).size == 2
  run.parent.rename(tmp_path / study.run_name(2, 2e12))
  with pytest.raises(InputError, match='was trained with'):
    stage.read_record(str(tmp_path), 2, 2e12, 0)
  (tmp_path / study.run_name(2, 2e12)).rename(
      tmp_path / study.run_name(3, 1e12)
  )
  with pytest.raises(InputError, match='not of size 3'):
    stage.read_record(str(tmp_path), 3, 1e12, 0)


def test_report_without_its_runs_says_which_is_missing(tmp_path):
  from plum_jax.stages import scaling_study as stage

  with pytest.raises(InputError, match='has not finished') as error:
    stage.run(str(tmp_path), (1,), (1e12,), (0,), study.FitConfig())
  assert 'size_1-flops_1e+12' in str(error.value)


@pytest.mark.parametrize(
    ('flags', 'what'),
    [
        (['--gin.SCALING_SIZES=(1, 1)'], 'SCALING_SIZES'),
        (['--gin.SCALING_SIZES=()'], 'SCALING_SIZES'),
        (['--gin.SCALING_BUDGETS=(0.0,)'], 'SCALING_BUDGETS'),
        (['--gin.SCALING_BUDGETS=(1e12,)', '--predict'], '1 budgets are too'),
        (
            [
                '--gin.SCALING_FLOOR=True',
                '--gin.SCALING_BUDGETS=(1.0, 2.0, 3.0)',
            ],
            '3 budgets are too few',
        ),
        (['--next_budget=1e12'], 'no budget beyond'),
        (['--next_budget=much'], 'no budget beyond'),
        (['--stages=trian'], 'no stage'),
    ],
)
def test_mistake_is_refused_before_anything_runs(tmp_path, flags, what):
  run_dir = tmp_path / 'study'
  with pytest.raises(InputError, match=what):
    scaling_plan.parse(
        [f'--gin_file={_LEAF}', f'--gin.RUN_DIR={run_dir}', *flags],
        scaling_study.STAGE,
    )
  assert not run_dir.exists()


def test_budget_below_half_a_step_is_refused():
  config = family.network(2, 640)
  step = flops.TRAINING * flops.forward(
      config, batch_size=32, encoder_length=0, decoder_length=150
  )
  steps = [
      compute_budget.train_steps(config, **_FEED, training_flops=x * step)
      for x in (0.6, 1.4, 3.0)
  ]
  assert steps == [1, 1, 3]
  with pytest.raises(InputError, match='not enough for a step'):
    compute_budget.train_steps(config, **_FEED, training_flops=0.4 * step)
