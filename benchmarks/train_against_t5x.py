# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Steps a second and time to the first step, against T5X's launcher.

Both launchers train the same experiment: network, optimizer, batches, mesh and
seed are the same, and so are the losses. `python -m plum_jax.launch.train` and
`python -m t5x.train` run as they are called by hand, without evaluation and
checkpoints on the way. For the rate both are started and warmed up; then one
runs while the other is stopped (SIGSTOP), in turns. See README.md for the
commands and for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from benchmarks import alternation
from benchmarks.alternation import Work

_ROOT = pathlib.Path(__file__).parents[1]
_COUNTER = pathlib.Path(__file__).parent / 'references' / 'count_batches.py'
_STAGES = 'catalog,item_embeddings,semantic_ids,vocabulary,tasks'
OURS, T5X = 'this project', 'T5X'
_FOREVER = 10**7
_WARM_BATCHES = 40
_SETTLE_SECONDS = 1.0
_LIMIT_SECONDS = 900
_TICKS = os.sysconf('SC_CLK_TCK')


@dataclasses.dataclass(frozen=True)
class Setting:
  """What both sides train.

  Attributes:
    leaf: the experiment.
    run_dir: a run with its tasks.
    t5x: the folder that T5X's package is in.
    devices: CPU devices, all along the axis data.
    arguments: further flags for both.
  """

  leaf: str
  run_dir: pathlib.Path
  t5x: str
  devices: int
  arguments: Sequence[str] = ()


class Training:
  """A launcher at work, in a process of its own."""

  def __init__(
      self, side: str, setting: Setting, folder: pathlib.Path, log_every: int
  ):
    """Starts it.

    Args:
      side: OURS or T5X.
      setting: what it trains.
      folder: an empty one, for what it writes.
      log_every: steps between losses that are fetched and written.
    """
    self._side = side
    self._run = folder / 'run'
    shutil.copytree(setting.run_dir, self._run)
    for name in ('training', 'work'):
      shutil.rmtree(self._run / name, ignore_errors=True)
    self._counter = folder / 'batches'
    self._counter.write_bytes(bytes(8))
    self._log = folder / 'log.txt'
    flags = f'--xla_force_host_platform_device_count={setting.devices}'
    path = [_ROOT, setting.t5x, _ROOT / 'tests' / 't5x' / 'stand_ins']
    environment = {
        **os.environ,
        'JAX_PLATFORMS': 'cpu',
        'XLA_FLAGS': flags,
        'PYTHONPATH': os.pathsep.join(map(str, path)),
    }
    with open(self._log, 'wb') as log:
      self._process = subprocess.Popen(
          [
              sys.executable,
              str(_COUNTER),
              str(self._counter),
              *_command(side, setting, self._run, folder, log_every),
          ],
          env=environment,
          cwd=_ROOT,
          stdout=log,
          stderr=log,
      )

  def batches(self) -> int:
    """Returns how many batches it has read."""
    return struct.unpack('<q', self._counter.read_bytes())[0]

  def core_seconds(self) -> float:
    """Returns the time of cores that it has taken, of all threads."""
    with open(f'/proc/{self._process.pid}/stat', encoding='utf-8') as file:
      fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS

  def losses(self) -> Mapping[int, float]:
    """Returns the losses that it has written, by step."""
    if self._side == T5X:
      words = self._log.read_text(encoding='utf-8', errors='replace')
      pattern = r'\[(\d+)\] collection=train .*? loss=([0-9.]+)'
      return {int(k): float(loss) for k, loss in re.findall(pattern, words)}
    found = list(self._run.glob('work/training-*/metrics.jsonl'))
    lines = found[0].read_text(encoding='utf-8') if found else ''
    whole = [line for line in lines.splitlines(True) if line.endswith('\n')]
    read = [json.loads(line) for line in whole]
    return {line['step']: line['train/loss'] for line in read}

  def wait_until(self, reached) -> None:
    """Waits until a function of this training is true.

    Raises:
      RuntimeError: it ended; the message has its last words.
    """
    begun = time.monotonic()
    while not reached(self):
      if self._process.poll() is not None:
        words = self._log.read_text(encoding='utf-8', errors='replace')
        raise RuntimeError(f'{self._side} ended: {words[-3000:]}')
      if time.monotonic() - begun > _LIMIT_SECONDS:
        raise RuntimeError(f'{self._side} does not get there.')
      time.sleep(0.005)

  def stop(self) -> None:
    """Lets it sleep."""
    self._process.send_signal(signal.SIGSTOP)

  def work(self, seconds: float) -> Work:
    """Lets it train for a while; returns its steps."""
    self._process.send_signal(signal.SIGCONT)
    time.sleep(_SETTLE_SECONDS)
    number, core = self.batches(), self.core_seconds()
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds or self.batches() == number:
      time.sleep(0.005)
    done = Work(
        self.batches() - number,
        time.perf_counter() - begun,
        self.core_seconds() - core,
    )
    self.stop()
    return done

  def end(self) -> None:
    """Kills it."""
    self._process.kill()
    self._process.wait()


def _command(
    side: str,
    setting: Setting,
    run_dir: pathlib.Path,
    folder: pathlib.Path,
    log_every: int,
) -> list[str]:
  """Returns module and arguments of a side."""
  shared = [
      f'--gin_file={setting.leaf}',
      f'--gin.TRAIN_STEPS={_FOREVER}',
      f'--gin.CHECKPOINT_PERIOD={_FOREVER}',
      f'--gin.EVAL_PERIOD={_FOREVER}',
      *setting.arguments,
  ]
  if side == OURS:
    return [
        'plum_jax.launch.train',
        *shared,
        f'--gin.RUN_DIR={run_dir}',
        '--gin.BEST_METRIC=None',
        '--gin.MAX_VALIDATION_USERS=0',
        f'--gin.TrainConfig.log_every={log_every}',
        '--gin.TrainConfig.checkpoint_every_seconds=None',
    ]
  return [
      't5x.train',
      '--gin_file=gin/t5x/pretrain.gin',
      *shared,
      f'--gin.RUN_DIR="{run_dir}"',
      f'--gin.MODEL_DIR="{folder / "model"}"',
      f'--gin.STATS_PERIOD={log_every}',
      '--gin.train.train_eval_dataset_cfg=None',
      '--gin.NUM_PARTITIONS=None',
      '--gin.MODEL_PARALLEL_SUBMESH=(1, 1, 1, 1)',
  ]


def measure_rates(
    setting: Setting, rounds: int, seconds: float
) -> dict[str, alternation.Rates]:
  """Measures steps a second of both sides, in turns."""
  with tempfile.TemporaryDirectory() as directory:
    trainings = {}
    try:
      for side in (OURS, T5X):
        folder = pathlib.Path(directory) / side.replace(' ', '_')
        folder.mkdir()
        one = trainings[side] = Training(side, setting, folder, 100)
        one.wait_until(lambda one: one.batches() >= _WARM_BATCHES)
        one.stop()
      return alternation.alternate(
          {side: one.work for side, one in trainings.items()},
          rounds=rounds,
          seconds=seconds,
      )
    finally:
      for one in trainings.values():
        one.end()


def measure_starts(setting: Setting, rounds: int) -> dict[str, list[Work]]:
  """Measures the time until the loss of the first step is written, in turns."""
  starts: dict[str, list[Work]] = {OURS: [], T5X: []}
  losses: dict[str, float] = {}
  for number in range(rounds):
    for side in (OURS, T5X) if number % 2 == 0 else (T5X, OURS):
      with tempfile.TemporaryDirectory() as directory:
        begun = time.perf_counter()
        one = Training(side, setting, pathlib.Path(directory), 1)
        try:
          one.wait_until(lambda one: 1 in one.losses())
          taken = time.perf_counter() - begun
          starts[side].append(Work(1, taken, one.core_seconds()))
          losses[side] = one.losses()[1]
        finally:
          one.end()
  difference = abs(losses[OURS] - losses[T5X]) / losses[T5X]
  print(f'loss of step 1: relative difference {difference:.1e}')
  return starts


def _prepare(
    leaf: str, run_dir: pathlib.Path, arguments: Sequence[str]
) -> None:
  subprocess.run(
      [
          sys.executable,
          '-m',
          'plum_jax.launch.pipeline',
          f'--stages={_STAGES}',
          f'--gin_file={leaf}',
          f'--gin.RUN_DIR={run_dir}',
          *arguments,
      ],
      cwd=_ROOT,
      check=True,
  )


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--t5x', required=True, help='the clone of T5X')
  parser.add_argument('--leaf', default='gin/experiments/ml100k_tiger.gin')
  parser.add_argument('--run_dir', default='runs/train_against_t5x')
  parser.add_argument('--devices', default='1,8')
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--seconds', type=float, default=8.0)
  parser.add_argument('--starts', type=int, default=5)
  parser.add_argument('arguments', nargs='*', help='flags for both, after --')
  flags = parser.parse_args()
  print(alternation.circumstances())
  run_dir = _ROOT / flags.run_dir
  _prepare(flags.leaf, run_dir, flags.arguments)
  for devices in map(int, flags.devices.split(',')):
    setting = Setting(flags.leaf, run_dir, flags.t5x, devices, flags.arguments)
    print(f'\n{devices} CPU devices')
    if flags.starts:
      _print_starts(measure_starts(setting, flags.starts))
    if flags.rounds:
      _print_rates(measure_rates(setting, flags.rounds, flags.seconds))


def _print_starts(starts: Mapping[str, Sequence[Work]]) -> None:
  for name in ('seconds', 'core_seconds'):
    found = {k: [getattr(w, name) for w in v] for k, v in starts.items()}
    for side, values in found.items():
      print(f'start to first step, {side}: {alternation.spread(values)} {name}')
    print(f'  over T5X: {alternation.ratios(found[OURS], found[T5X])}')


def _print_rates(rates: Mapping[str, alternation.Rates]) -> None:
  for name in ('per_second', 'per_core_second'):
    found = {side: getattr(one, name) for side, one in rates.items()}
    for side, values in found.items():
      print(f'steps, {side}: {alternation.spread(values)} {name}')
    print(f'  over T5X: {alternation.ratios(found[OURS], found[T5X])}')


if __name__ == '__main__':
  main()
