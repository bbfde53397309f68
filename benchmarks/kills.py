# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Kills a training again and again, and compares what it ends with.

A training of a tiny model gets SIGKILL at random moments of start-up, training,
saving and ending, and is started again in the same way until it ends.
Parameters and metrics must then equal, to the bit, those of a run that nothing
disturbed. See README.md for the commands and for results.

Every start is a fork of one process that has done the imports and nothing else:
JAX has no backend there yet. That is what a fresh interpreter would do, without
the seconds that its imports take.
"""

from __future__ import annotations

import argparse
import collections
from collections.abc import Callable, Mapping
import dataclasses
import glob
import multiprocessing
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from typing import Any

import jax
import numpy as np

from benchmarks import alternation
from plum_jax.artifacts import atomic
from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import stage
from plum_jax.artifacts import trees
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.testing import tiny_model
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig

START, TRAINING, SAVING, ENDING = 'start-up', 'training', 'saving', 'ending'
# How often a kill is aimed at each; where it lands is looked up afterwards.
_AIMS = {START: 0.1, TRAINING: 0.3, SAVING: 0.5, ENDING: 0.1}
# Seconds after what a kill waits for within which it comes.
_DELAYS = {TRAINING: 0.3, SAVING: 0.06, ENDING: 0.06}
_PARTIAL = 'orbax-checkpoint-tmp*'
_LEFT_BY = {
    TRAINING: ['work/*/checkpoint/[0-9]*[0-9]'],
    SAVING: [f'work/*/*/*.{_PARTIAL}', 'work/*/*/.deleted/*'],
    ENDING: ['.partial-training-*/*'],
}
_POLL_SECONDS = 0.0005
_LIMIT_SECONDS = 300
_STEP_SECONDS = 0.01
_BEST, _FINAL = 'best', 'final'
_MODULE = 'benchmarks.kills'


class _Batches(tiny_model.TinyBatches):
  """Takes its time, so that some kills come between one save and the next."""

  def __next__(self) -> dict[str, np.ndarray]:
    time.sleep(_STEP_SECONDS)
    return super().__next__()


def _evaluate(params: Any, step: int) -> Mapping[str, float]:
  del step
  return {'scale': float(jax.device_get(params['scale']).mean())}


def train(run_dir: str, num_steps: int) -> None:
  """Trains, or goes on with it: the command that is killed.

  Args:
    run_dir: the run directory; `training/` is there in the end.
    num_steps: steps of training.
  """

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    state = loop.train(
        tiny_model.TinyModel(dropout_rate=0.1),
        _Batches(),
        TrainConfig(
            num_steps=num_steps,
            optimizer=optimizers.AdamW(schedules.Constant(0.01)),
            log_every=5,
            checkpoint_every=20,
            evaluate_every=30,
            best_metric='scale',
        ),
        mesh=meshes.make_mesh(devices=jax.devices()[:1]),
        rules=axis_rules.preset(),
        work_directory=work,
        evaluate=_evaluate,
    )
    best = loop.restore_best(work, state.params).state
    for name, params in ((_FINAL, state.params), (_BEST, best)):
      checkpoints.save_params(directory / name, params)
    shutil.copy(work / loop.METRICS, directory / loop.METRICS)

  atomic.remove_leftovers(run_dir)
  stage.run(
      'training',
      pathlib.Path(run_dir) / 'training',
      make,
      inputs={},
      parameters={'num_steps': num_steps},
      seed=0,
  )


def result(run_dir: pathlib.Path) -> dict[str, bytes]:
  """Returns parameters and metrics of a finished training as bytes, by name."""
  training = run_dir / 'training'
  found = {loop.METRICS: (training / loop.METRICS).read_bytes()}
  for kind in (_FINAL, _BEST):
    params, _ = checkpoints.load_params(training / kind)
    for name, array in trees.to_flat(params).items():
      found[f'{kind} {name}'] = np.asarray(array).tobytes()
  return found


@dataclasses.dataclass
class Tally:
  """What happened.

  Attributes:
    kills: how many landed where.
    runs: runs that were killed and then ended.
    different: what differed from the uninterrupted run, one line each.
  """

  kills: collections.Counter[str] = dataclasses.field(
      default_factory=collections.Counter
  )
  runs: int = 0
  different: list[str] = dataclasses.field(default_factory=list)

  def __str__(self) -> str:
    where = ', '.join(f'{self.kills[name]} in {name}' for name in _AIMS)
    return (
        f'{self.kills.total()} kills ({where}), {self.runs} runs ended, '
        f'{len(self.different)} arrays or files differ'
    )


def _in_fork(log: str, compiled: str, run_dir: str, num_steps: int) -> None:
  """What a fork does; its words go to a file."""
  descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
  os.dup2(descriptor, 1)
  os.dup2(descriptor, 2)
  # Every start runs the same programs; to compile them takes half its time.
  jax.config.update('jax_compilation_cache_dir', compiled)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  train(run_dir, num_steps)


class Experiment:
  """A training that nothing disturbs, and the same one killed."""

  def __init__(self, directory: pathlib.Path, num_steps: int):
    """Does the uninterrupted run.

    Args:
      directory: an empty folder.
      num_steps: steps of training.
    """
    self._directory, self._num_steps = directory, num_steps
    self._log = directory / 'log.txt'
    self._context = multiprocessing.get_context('forkserver')
    # By its name: as `__main__` it would not be imported before the fork.
    self._context.set_forkserver_preload([_MODULE])
    whole = directory / 'whole'
    self._end(self._start(whole))
    # Once more: the first start waited for the imports.
    shutil.rmtree(whole)
    begun = time.monotonic()
    self._end(self._start(whole))
    self._seconds = time.monotonic() - begun
    self._expected = result(whole)

  def _start(self, run_dir: pathlib.Path) -> Any:
    run_dir.mkdir(exist_ok=True)
    compiled = self._directory / 'compiled'
    process = self._context.Process(
        target=_in_fork,
        args=(str(self._log), str(compiled), str(run_dir), self._num_steps),
    )
    process.start()
    return process

  def _end(self, process: Any) -> None:
    """Waits for a process to end by itself."""
    process.join(_LIMIT_SECONDS)
    self._check(process)

  def _check(self, process: Any) -> None:
    if process.exitcode not in (0, -signal.SIGKILL):
      words = self._log.read_text(encoding='utf-8', errors='replace')
      raise RuntimeError(f'It ended with {process.exitcode}: {words[-3000:]}')

  def kill_and_resume(
      self, rng: np.random.Generator, num_kills: int, tally: Tally
  ) -> None:
    """Does one run to its end, killing it on the way; adds to the tally.

    Args:
      rng: chooses the moments.
      num_kills: kills after which it is left alone.
      tally: what happened.

    Raises:
      RuntimeError: a process ended otherwise than by the kill, or hangs.
    """
    run_dir = self._directory / f'killed_{tally.runs}'
    done = 0
    while not (run_dir / 'training').exists():
      begun = time.time()
      process = self._start(run_dir)
      if done < num_kills:
        self._wait(run_dir, process, rng)
        process.kill()
      process.join(_LIMIT_SECONDS)
      self._check(process)
      if process.exitcode:
        tally.kills[_landed(run_dir, begun)] += 1
        done += 1
    tally.runs += 1
    for name, value in result(run_dir).items():
      if value != self._expected[name]:
        tally.different.append(f'run {tally.runs}, {name}')
    shutil.rmtree(run_dir)

  def _wait(
      self, run_dir: pathlib.Path, process: Any, rng: np.random.Generator
  ) -> None:
    """Waits for the moment of the next kill, or the end of the process."""
    aim = rng.choice(list(_AIMS), p=list(_AIMS.values()))
    wanted = 1 if aim == ENDING else int(rng.integers(1, 4))
    delay = float(rng.random())
    if aim == START:
      process.join(delay * self._seconds / 2)
      return
    before = seen = _left(run_dir, aim)
    limit = time.monotonic() + _LIMIT_SECONDS
    while len(seen - before) < wanted and process.is_alive():
      if time.monotonic() > limit:
        raise RuntimeError('The process neither saves nor ends.')
      time.sleep(_POLL_SECONDS)
      seen = seen | _left(run_dir, aim)
    process.join(delay * _DELAYS[aim])


def _left(run_dir: pathlib.Path, aim: str) -> set[str]:
  """Names what there is of what a process leaves at certain points."""
  # Unlike `Path.glob`, it passes over folders that go while it looks.
  return {
      str(run_dir / path)
      for pattern in _LEFT_BY[aim]
      for path in glob.glob(pattern, root_dir=run_dir, include_hidden=True)
  }


def _landed(run_dir: pathlib.Path, begun: float) -> str:
  """Says what a process was doing when it was killed, by what it left."""
  for name in (ENDING, SAVING):
    # A process that was killed before it cleared up is not the one that left
    # these.
    if any(
        pathlib.Path(p).stat().st_mtime > begun for p in _left(run_dir, name)
    ):
      return name
  # Training writes this file anew just before its first step.
  metrics = list(run_dir.glob(f'work/*/{loop.METRICS}'))
  if not metrics or metrics[0].stat().st_mtime < begun:
    return START
  return TRAINING


def run(
    directory: pathlib.Path,
    *,
    num_kills: int,
    num_steps: int,
    seed: int,
    report: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
  """Kills trainings until so many kills have been survived.

  Args:
    directory: an empty folder.
    num_kills: how many kills in all.
    num_steps: steps of a training.
    seed: of the moments.
    report: called with the tally after each run.

  Returns:
    The tally.
  """
  experiment = Experiment(directory, num_steps)
  rng = np.random.default_rng(seed)
  tally = Tally()
  while tally.kills.total() < num_kills:
    left = num_kills - tally.kills.total()
    experiment.kill_and_resume(rng, left, tally)
    report(tally)
  return tally


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--kills', type=int, default=200)
  parser.add_argument('--num_steps', type=int, default=240)
  parser.add_argument('--seed', type=int, default=0)
  flags = parser.parse_args()
  # Forks import this file by both its names, which runpy remarks on each time.
  os.environ.setdefault('PYTHONWARNINGS', 'ignore::RuntimeWarning')
  print(alternation.circumstances())
  begun = time.monotonic()
  with tempfile.TemporaryDirectory() as directory:
    tally = run(
        pathlib.Path(directory),
        num_kills=flags.kills,
        num_steps=flags.num_steps,
        seed=flags.seed,
        report=lambda tally: print(
            f'{time.monotonic() - begun:.0f} s: {tally}', flush=True
        ),
    )
  for line in tally.different:
    print(line)
  sys.exit(1 if tally.different else 0)


if __name__ == '__main__':
  main()
