# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import errno
import logging
import os
import pathlib
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.testing import tiny_model
from plum_jax.training import loop
from plum_jax.training import metric_writers
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig

_NUM_STEPS = 24


class _Batches(tiny_model.TinyBatches):
  """Calls a function when a batch is read; a NaN in one batch if asked for."""

  def __init__(self, at=None, call=None, nan_at=None):
    super().__init__()
    self._at, self._call, self._nan_at = at, call, nan_at

  def __next__(self):
    batch = super().__next__()
    if self.state()['number'] == self._at:
      self._call()
    if self.state()['number'] == self._nan_at:
      batch['decoder_loss_weights'][0, 0] = np.nan
    return batch


def _stop():
  raise RuntimeError('the input broke')


def _config(**changes):
  return TrainConfig(
      **{
          'num_steps': _NUM_STEPS,
          'optimizer': optimizers.AdamW(schedules.Constant(0.01)),
          'log_every': 5,
          'checkpoint_every': 8,
          **changes,
      }
  )


def train(work, batches=None, *, sizes=None, evaluate=None, writer=None, **kw):
  """Trains the tiny model; the subprocess of a test calls it too."""
  devices = jax.devices() if sizes else jax.devices()[:1]
  return loop.train(
      tiny_model.TinyModel(dropout_rate=0.1),
      batches or tiny_model.TinyBatches(),
      _config(**kw),
      mesh=meshes.make_mesh(**(sizes or {}), devices=devices),
      rules=axis_rules.preset(),
      work_directory=work,
      evaluate=evaluate,
      writer=writer,
  )


def _assert_equal(found, expected):
  """Compares states to the bit."""
  found, expected = jax.device_get((found, expected))
  assert jax.tree.structure(found) == jax.tree.structure(expected)
  jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
  """State and lines of metrics of a run that nothing disturbed."""
  work = tmp_path_factory.mktemp('uninterrupted')
  state = jax.device_get(train(work))
  return state, (work / loop.METRICS).read_bytes()


def _assert_as_uninterrupted(state, work, uninterrupted):
  _assert_equal(state, uninterrupted[0])
  assert (work / loop.METRICS).read_bytes() == uninterrupted[1]


def test_train_lowers_the_loss_and_writes_metrics(uninterrupted, tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_bytes(uninterrupted[1])
  lines = metric_writers.read(path)
  assert [line['step'] for line in lines] == [5, 10, 15, 20, 24]
  assert set(lines[0]) == {
      'step',
      'train/loss',
      'train/accuracy',
      'train/loss_weight',
      'train/gradient_norm',
      'train/learning_rate',
  }
  losses = [line['train/loss'] for line in lines]
  assert losses == sorted(losses, reverse=True)
  assert lines[0]['train/learning_rate'] == pytest.approx(0.01)
  assert int(uninterrupted[0].step) == _NUM_STEPS


def test_logged_loss_is_the_mean_since_the_last_line(uninterrupted, tmp_path):
  train(tmp_path, num_steps=5, log_every=1)
  each = metric_writers.read(tmp_path / loop.METRICS)
  path = tmp_path / 'metrics.jsonl'
  path.write_bytes(uninterrupted[1])
  mean = metric_writers.read(path)[0]
  # Each batch has the same weight.
  expected = np.mean([line['train/loss'] for line in each])
  np.testing.assert_allclose(mean['train/loss'], expected, rtol=1e-6)


def test_resumed_run_equals_an_uninterrupted_one(uninterrupted, tmp_path):
  with pytest.raises(RuntimeError, match='the input broke'):
    train(tmp_path, _Batches(18, _stop))
  with checkpoints.Checkpoints(tmp_path / loop.CHECKPOINTS) as saved:
    assert saved.steps() == [8, 16]
  state = train(tmp_path)
  _assert_as_uninterrupted(state, tmp_path, uninterrupted)


def test_resumed_run_equals_an_uninterrupted_one_on_a_mesh(tmp_path):
  sizes = {'data': 2, 'fsdp': 2, 'tensor': 2}
  expected = train(tmp_path / 'whole', sizes=sizes)
  train(tmp_path / 'parts', sizes=sizes, num_steps=8)
  state = train(tmp_path / 'parts', sizes=sizes)
  _assert_equal(state, expected)


def test_resumed_run_equals_an_uninterrupted_one_after_sigkill(
    uninterrupted, tmp_path
):
  script = f"""
import os, pathlib, signal, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import test_loop
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
test_loop.train({str(tmp_path)!r}, test_loop._Batches(21, kill))
"""
  environment = {**os.environ, 'PYTHONPATH': os.getcwd()}
  killed = subprocess.run(
      [sys.executable, '-c', script], env=environment, capture_output=True
  )
  assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
  assert (tmp_path / loop.METRICS).exists()
  state = train(tmp_path)
  _assert_as_uninterrupted(state, tmp_path, uninterrupted)


def test_sigterm_saves_and_exits_with_status_0(uninterrupted, tmp_path):
  handler = signal.getsignal(signal.SIGTERM)
  with pytest.raises(loop.Preempted) as caught:
    train(tmp_path, _Batches(13, lambda: signal.raise_signal(signal.SIGTERM)))
  assert caught.value.code == 0
  assert isinstance(caught.value, SystemExit)
  assert signal.getsignal(signal.SIGTERM) is handler
  with checkpoints.Checkpoints(tmp_path / loop.CHECKPOINTS) as saved:
    assert saved.latest_step() == 13
  _assert_as_uninterrupted(train(tmp_path), tmp_path, uninterrupted)


def test_finished_run_returns_its_state_again(uninterrupted, tmp_path):
  train(tmp_path)
  _assert_as_uninterrupted(train(tmp_path), tmp_path, uninterrupted)


def test_resumed_run_refuses_another_seed(tmp_path):
  train(tmp_path, num_steps=1)
  with pytest.raises(InputError, match='made with seed 0, not 1'):
    train(tmp_path, seed=1)


@pytest.mark.parametrize('nan_at', [11, 16])
def test_train_stops_and_names_the_step_when_the_loss_is_nan(tmp_path, nan_at):
  with pytest.raises(InputError, match=f'gradient of step {nan_at} is not'):
    train(tmp_path, _Batches(nan_at=nan_at))
  with checkpoints.Checkpoints(tmp_path / loop.CHECKPOINTS) as saved:
    assert saved.latest_step() == 8
  # The data mended, it goes on.
  assert int(train(tmp_path).failed_step) == -1


def test_parameters_of_a_failed_step_are_not_evaluated(tmp_path):
  evaluated = []

  def evaluate(_, step):
    evaluated.append(step)
    return {'metric': 0.0}

  with pytest.raises(InputError, match='gradient of step 12 is not'):
    train(tmp_path, _Batches(nan_at=12), evaluate=evaluate, evaluate_every=6)
  assert evaluated == [6]


def test_full_disk_stops_training_and_leaves_the_older_checkpoint(
    uninterrupted, tmp_path, monkeypatch
):
  def full(*_, **__):
    raise OSError(errno.ENOSPC, 'No space left on device')

  with pytest.raises(RuntimeError):
    train(tmp_path, _Batches(14, _stop))
  with monkeypatch.context() as patch:
    # From batch 14 on, nothing can be given its final name.
    def fill():
      patch.setattr(pathlib.Path, 'rename', full)
      patch.setattr(os, 'rename', full)
      patch.setattr(os, 'replace', full)

    with pytest.raises(InputError, match='The disk is full'):
      train(tmp_path, _Batches(14, fill))
  with checkpoints.Checkpoints(tmp_path / loop.CHECKPOINTS) as saved:
    assert saved.latest_step() == 8
  _assert_as_uninterrupted(train(tmp_path), tmp_path, uninterrupted)


def test_evaluation_is_called_when_due_and_the_best_parameters_are_kept(
    tmp_path,
):
  values = {6: 0.1, 12: 0.7, 18: 0.3, 20: 0.2}
  params = {}

  def evaluate(parameters, step):
    params[step] = jax.device_get(parameters)
    return {'retrieval/recall@10': values[step]}

  train(
      tmp_path,
      evaluate=evaluate,
      evaluate_every=6,
      num_steps=20,
      best_metric='retrieval/recall@10',
  )
  lines = metric_writers.read(tmp_path / loop.METRICS)
  found = {
      line['step']: line['retrieval/recall@10']
      for line in lines
      if 'retrieval/recall@10' in line
  }
  assert found == values
  best = loop.restore_best(tmp_path, params[12])
  assert best.step == 12
  assert best.metadata == {'metric': 'retrieval/recall@10', 'value': 0.7}
  _assert_equal(best.state, params[12])


@pytest.mark.parametrize('evaluate', [None, lambda params, step: {'a': 1.0}])
def test_train_refuses_a_best_metric_that_no_one_computes(tmp_path, evaluate):
  with pytest.raises(InputError, match='recall@10'):
    train(tmp_path, evaluate=evaluate, num_steps=1, best_metric='recall@10')


def test_train_compiles_nothing_once_it_runs(tmp_path):
  compiled = []

  def listen(event, duration, **_):
    if event == '/jax/core/compile/backend_compile_duration':
      compiled.append(duration)

  counts = {}

  def evaluate(params, step):
    counts[step] = len(compiled)
    return {'a': step}

  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    train(tmp_path, evaluate=evaluate, evaluate_every=1)
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)
  assert counts[1] > 0
  assert counts[_NUM_STEPS] == counts[1]


class _Writer:

  def __init__(self):
    self.lines = []

  def write_scalars(self, step, scalars):
    self.lines.append((step, dict(scalars)))

  def flush(self):
    pass


def test_a_given_writer_gets_the_metrics_and_the_speed(tmp_path, caplog):
  writer = _Writer()
  with caplog.at_level(logging.INFO, 'plum_jax'):
    train(tmp_path, num_steps=10, writer=writer)
  assert [step for step, _ in writer.lines] == [5, 5, 10, 10]
  names = {name for _, scalars in writer.lines for name in scalars}
  assert {'train/loss', 'train/steps_per_second'} <= names
  assert 'train: 10/10 steps' in caplog.messages[-1]
  assert 'loss' in caplog.messages[-1]


@pytest.mark.parametrize(
    'changes',
    [
        {'num_steps': 0},
        {'log_every': 0},
        {'evaluate_every': -1},
        {'best_mode': 'highest'},
        {'seed': -1},
    ],
)
def test_config_refuses_numbers_without_meaning(changes):
  (name,) = changes
  with pytest.raises(InputError, match=f'{name}='):
    _config(**changes)


@pytest.mark.parametrize('sizes', [{}, {'fsdp': 2, 'tensor': 2}])
def test_initial_params_are_started_from_and_not_asked_for_again(
    tmp_path, sizes
):
  asked = []

  def initial_params(shapes):
    asked.append(shapes)
    return jax.tree.map(
        lambda shape: jax.device_put(
            np.full(shape.shape, 0.5, shape.dtype), shape.sharding
        ),
        shapes,
    )

  def run(num_steps):
    return loop.train(
        tiny_model.TinyModel(),
        tiny_model.TinyBatches(),
        _config(
            num_steps=num_steps,
            optimizer=optimizers.AdamW(schedules.Constant(1e-30)),
        ),
        mesh=meshes.make_mesh(
            **sizes, devices=jax.devices() if sizes else jax.devices()[:1]
        ),
        rules=axis_rules.preset(),
        work_directory=tmp_path,
        initial_params=initial_params,
    )

  for num_steps in (2, 4):
    state = run(num_steps)
    assert int(state.step) == num_steps
    for leaf in jax.tree.leaves(state.params):
      np.testing.assert_array_equal(leaf, np.full(leaf.shape, 0.5))
  assert len(asked) == 1
