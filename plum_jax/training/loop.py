# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
import contextlib
import logging
import os
import pathlib
import signal
import threading
import time
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import processes
from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import axis_rules
from plum_jax.training import device_batches
from plum_jax.training import metric_writers
from plum_jax.training import state as states
from plum_jax.training import step as steps
from plum_jax.training.config import TrainConfig
from plum_jax.training.protocols import Batches
from plum_jax.training.protocols import Continuation
from plum_jax.training.protocols import MetricWriter
from plum_jax.training.protocols import Model
from plum_jax.training.state import TrainState

_LOGGER = logging.getLogger('plum_jax')
CHECKPOINTS, BEST, METRICS = 'checkpoint', 'best', 'metrics.jsonl'
# Steps that the devices have been given and not finished: enough to keep them
# busy while batches are read, few enough that a signal is obeyed soon and that
# batches do not fill their memory.
_MAX_UNFINISHED = 4

Evaluate = Callable[[Any, int], Mapping[str, float]]
InitialParams = Callable[[Any], Any]


class Preempted(SystemExit):
  """Training stopped at SIGTERM, after a checkpoint; the exit status is 0."""


def train(
    model: Model,
    batches: Batches,
    config: TrainConfig,
    *,
    mesh: jax.sharding.Mesh,
    rules: axis_rules.AxisRules,
    work_directory: str | os.PathLike[str],
    writer: MetricWriter | None = None,
    evaluate: Evaluate | None = None,
    initial_params: InitialParams | None = None,
    continuation: Continuation | None = None,
    tpu_compiler_options: Mapping[str, Any] | None = None,
) -> TrainState:
  """Trains, or goes on training from the last checkpoint.

  Leaves in `work_directory`: `checkpoint/`, the last checkpoints;
  `metrics.jsonl`, metrics of training (`train/…`) and evaluation, equal to the
  bit for a resumed and an uninterrupted run; and `best/`, if the config names a
  metric to choose parameters by (see `restore_best`).

  Args:
    model: the network and its loss.
    batches: the input; its arrays must not be written to afterwards.
    config: how to train.
    mesh: the devices.
    rules: how parameters and activations lie on them.
    work_directory: where to keep what a later run goes on from.
    writer: gets the metrics too, and `train/steps_per_second`.
    evaluate: called with (parameters on the mesh, step) every
      `config.evaluate_every` steps and at the end; returns scalars by name. It
      must not keep the parameters: the next step overwrites them.
    initial_params: called with the parameters' shapes and shardings; returns
      those to start from, instead of random ones. Not called if there is a
      checkpoint to go on from.
    continuation: a training to go on with, unless `work_directory` has a
      checkpoint already, which then is of a later step.
    tpu_compiler_options: for the step; see `step.build_program`.

  Returns:
    The state after the last step.

  Raises:
    InputError: a loss or a gradient is not finite; a checkpoint cannot be
      written, or is of another model; rules, mesh and batches do not fit.
    Preempted: SIGTERM came. Run the same again to go on.
  """
  _check_config(config, evaluate)
  work = pathlib.Path(work_directory)
  with contextlib.ExitStack() as stack:
    # --- Where we are ---------------------------------------------------------
    saved = stack.enter_context(_checkpoints(work, config))
    # One process looks: a shared file system may tell each its own story.
    own_step = first_step = processes.first_decides(saved.latest_step) or 0
    if first_step:
      _restore_position(batches, saved, first_step, config)
    elif continuation:
      first_step = _continue_position(batches, continuation, config)
    stop_requested = stack.enter_context(_sigterm())

    # --- Data -----------------------------------------------------------------
    on_device = device_batches.DeviceBatches(batches, mesh)

    # --- Model, sharding and step ---------------------------------------------
    program = steps.build_program(
        model, config, mesh, rules, on_device.shapes, tpu_compiler_options
    )

    def make_state() -> TrainState:
      if own_step:
        return saved.restore(program.state_shapes, own_step).state
      return _first_state(program, initial_params, continuation)

    state, train_step = _prepare(program, make_state, on_device)

    # --- Metrics, evaluation, checkpoints -------------------------------------
    recorder = _Recorder(work, config, first_step, writer)
    keeper = _Keeper(saved, config)
    best = stack.enter_context(_Best(work / BEST, config))

    # --- Loop -----------------------------------------------------------------
    unfinished: collections.deque[steps.Report] = collections.deque()
    for step in range(first_step + 1, config.num_steps + 1):
      # Neither waits: the devices are still at earlier steps.
      state, report = train_step(state, next(on_device))

      _wait_for_earlier(unfinished, report)
      recorder.after_step(step, report)

      last = step == config.num_steps
      if evaluate and (last or _every(config.evaluate_every, step)):
        recorder.flush()
        _raise_if_failed(report)
        scalars = _agree(evaluate(state.params, step))
        recorder.write(step, scalars)
        best.consider(step, state.params, scalars)
      stop = stop_requested(step)
      if last or stop or keeper.due(step):
        recorder.flush()
        _raise_if_failed(report)
        keeper.save(step, state, on_device.position())
      if stop and not last:
        raise _preempted(saved, step)
  return state


def restore_best(
    work_directory: str | os.PathLike[str], target: Any
) -> checkpoints.Restored:
  """Reads the parameters with the best value of `config.best_metric`.

  Args:
    work_directory: as given to `train`.
    target: the parameters or their shapes; see `Checkpoints.restore`.

  Returns:
    The parameters as `state`, their step, and the metric's name and value.

  Raises:
    InputError: no best parameters were kept.
  """
  with checkpoints.Checkpoints(pathlib.Path(work_directory) / BEST) as saved:
    return saved.restore(target)


def _every(interval: int, step: int) -> bool:
  return interval > 0 and step % interval == 0


def _check_config(config: TrainConfig, evaluate: Evaluate | None) -> None:
  if config.best_metric is not None and evaluate is None:
    raise InputError(
        f'best_metric={config.best_metric} is asked for without an evaluation.',
        where='TrainConfig.best_metric',
        expected='a function evaluate that returns it',
        fix='Give train an evaluate function, or leave best_metric None.',
    )


def _checkpoints(
    work: pathlib.Path, config: TrainConfig
) -> checkpoints.Checkpoints:
  return checkpoints.Checkpoints(
      work / CHECKPOINTS, keep=config.keep_checkpoints
  )


def _restore_position(
    batches: Batches,
    saved: checkpoints.Checkpoints,
    step: int,
    config: TrainConfig,
) -> None:
  """Moves the input to where a checkpoint left it."""
  metadata = saved.restore_metadata(step)
  if metadata['seed'] != config.seed:
    raise InputError(
        f'The checkpoint was made with seed {metadata["seed"]}, not '
        f'{config.seed}.',
        where='TrainConfig.seed',
        expected=f'{metadata["seed"]}, to go on from the checkpoint',
        fix='Use that seed, or another folder.',
    )
  batches.restore(metadata['position'])
  _LOGGER.info('train: going on from the checkpoint of step %d', step)


def _wait_for_earlier(
    unfinished: collections.deque[steps.Report], report: steps.Report
) -> None:
  """Notes a step that was started, and lets only a few be under way."""
  unfinished.append(report)
  if len(unfinished) > _MAX_UNFINISHED:
    unfinished.popleft().failed_step.block_until_ready()


def _preempted(saved: checkpoints.Checkpoints, step: int) -> Preempted:
  """Waits until the last checkpoint is written."""
  saved.wait()
  _LOGGER.info('train: SIGTERM, stopped after step %d', step)
  return Preempted(0)


def _continue_position(
    batches: Batches, continuation: Continuation, config: TrainConfig
) -> int:
  """Moves the input to where another launcher left it; returns its step."""
  if continuation.step >= config.num_steps:
    raise InputError(
        f'The training to continue has done {continuation.step} steps already.',
        where='TrainConfig.num_steps',
        expected=f'more than that, got {config.num_steps}',
        fix='Raise TRAIN_STEPS, or take an earlier checkpoint.',
    )
  batches.restore(continuation.position)
  _LOGGER.info('train: going on from step %d of another', continuation.step)
  return continuation.step


def _prepare(
    program: steps.Program,
    make_state: Callable[[], TrainState],
    batches: device_batches.DeviceBatches,
) -> tuple[TrainState, Callable[[TrainState, Any], Any]]:
  """Does what takes seconds at once: the state, the step, the first batch.

  The step is traced here and compiled in a thread; a state is made in another,
  and the first batch is read here meanwhile. The step is compiled ahead,
  so that another shape is an error, not a second program.

  Returns:
    The state, and the compiled step.
  """
  with futures.ThreadPoolExecutor(2) as threads:
    making = threads.submit(make_state)
    compiling = threads.submit(program.lower_step().compile)
    state = making.result()
    batches.read_first()
    return state, compiling.result()


def _first_state(
    program: steps.Program,
    initial_params: InitialParams | None,
    continuation: Continuation | None,
) -> TrainState:
  """Makes the state of a training without a checkpoint of its own."""
  if continuation:
    return states.continued_state(continuation.read, program.state_shapes)
  if initial_params:
    return program.init_from(initial_params(program.state_shapes.params))
  return program.init()


def _agree(scalars: Mapping[str, float]) -> Mapping[str, float]:
  """Returns the first process's values: all must choose alike by them."""
  return processes.first_decides(
      lambda: {name: float(value) for name, value in scalars.items()}
  )


def _raise_if_failed(report: steps.Report) -> None:
  """Waits for a step and stops training if it or one before it failed."""
  failed_step = int(report.failed_step)
  if failed_step >= 0:
    raise InputError(
        f'The loss or the gradient of step {failed_step} is not finite.',
        where=f'training, step {failed_step}',
        expected='finite numbers',
        fix='Lower the learning rate, clip gradients (max_gradient_norm), or '
        'look for bad values in the data; the last checkpoint is from before '
        'this step.',
    )


@contextlib.contextmanager
def _sigterm() -> Iterator[Callable[[int], bool]]:
  """Gives a function of the step: whether to stop after it, as SIGTERM asks."""
  if jax.process_count() > 1:
    # JAX itself watches for the signal; the processes agree on a step.
    yield multihost_utils.reached_preemption_sync_point
    return
  event = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    # Python delivers signals to the main thread, which is someone else's.
    yield lambda _: False
    return
  previous = signal.signal(signal.SIGTERM, lambda *_: event.set())
  try:
    yield lambda _: event.is_set()
  finally:
    signal.signal(signal.SIGTERM, previous)


class _Recorder:
  """Writes metrics and the progress line; waits for the device at log steps.

  The metrics of a log step are fetched after the next step has been given to
  the devices, so that they have work while the host waits.
  """

  def __init__(
      self,
      work: pathlib.Path,
      config: TrainConfig,
      first_step: int,
      writer: MetricWriter | None,
  ):
    self._log_every = config.log_every
    self._writers: list[MetricWriter] = []
    self._extra = writer if jax.process_index() == 0 else None
    if jax.process_index() == 0:
      lines = metric_writers.JsonLinesWriter(work / METRICS, first_step)
      self._writers = [lines, *([writer] if writer else [])]
    self._progress = progress.Progress(
        'train', config.num_steps, 'steps', start=first_step
    )
    self._pending: tuple[int, steps.Report] | None = None
    self._figures: dict[str, float] = {}
    self._num_steps = config.num_steps
    self._last_step, self._last_time = first_step, time.monotonic()

  def after_step(self, step: int, report: steps.Report) -> None:
    """Takes a step's report, and writes that of the last log step."""
    self.flush()
    if step % self._log_every == 0 or step == self._num_steps:
      self._pending = (step, report)
    if step == self._num_steps:
      self.flush()
    self._progress.update(step, self._figures)

  def flush(self) -> None:
    """Writes the metrics that are waiting, if any.

    Raises:
      InputError: a step since the last log step failed.
    """
    if self._pending is None:
      return
    step, report = self._pending
    self._pending = None
    _raise_if_failed(report)
    report = jax.device_get(report)
    scalars = {
        f'train/{name}': float(total) / max(float(weight), 1e-30)
        for name, (total, weight) in report.metric_sums.items()
    }
    self._figures = {'loss': scalars['train/loss']}
    # Of all lines together: the targets that were predicted.
    scalars['train/loss_weight'] = float(report.metric_sums['loss'][1])
    scalars['train/gradient_norm'] = float(report.gradient_norm)
    scalars['train/learning_rate'] = float(report.learning_rate)
    self.write(step, scalars)
    now = time.monotonic()
    if self._extra is not None:
      rate = (step - self._last_step) / max(now - self._last_time, 1e-9)
      self._extra.write_scalars(step, {'train/steps_per_second': rate})
    self._last_step, self._last_time = step, now

  def write(self, step: int, scalars: Mapping[str, float]) -> None:
    """Writes scalars of a step everywhere."""
    for writer in self._writers:
      writer.write_scalars(step, scalars)
      writer.flush()


class _Keeper:
  """Saves checkpoints when they are due."""

  def __init__(self, saved: checkpoints.Checkpoints, config: TrainConfig):
    self._saved, self._config = saved, config
    self._last_time = time.monotonic()

  def due(self, step: int) -> bool:
    """Says whether a checkpoint belongs after a step."""
    if _every(self._config.checkpoint_every, step):
      return True
    seconds = self._config.checkpoint_every_seconds
    if seconds is None:
      return False
    # Several processes must agree on the moment, which costs a message: they
    # do so where the host waits for the devices anyway.
    if processes.several() and not _every(self._config.log_every, step):
      return False
    return processes.first_decides(
        lambda: time.monotonic() - self._last_time >= seconds
    )

  def save(
      self, step: int, state: TrainState, position: Mapping[str, Any]
  ) -> None:
    """Saves the state and the input's position as one."""
    metadata = {'position': position, 'seed': self._config.seed}
    self._saved.save(step, state, metadata)
    self._last_time = time.monotonic()


class _Best(contextlib.AbstractContextManager):
  """Keeps the parameters with the best value of a metric, if one is named."""

  def __init__(self, directory: pathlib.Path, config: TrainConfig):
    self._metric, self._mode = config.best_metric, config.best_mode
    self._saved, self._value = None, None
    if self._metric is None:
      return
    self._saved = checkpoints.Checkpoints(directory, keep=1)
    if self._saved.latest_step() is not None:
      self._value = self._saved.restore_metadata()['value']

  def consider(
      self, step: int, params: Any, scalars: Mapping[str, float]
  ) -> None:
    """Saves the parameters if they are better than all before."""
    if self._saved is None:
      return
    if self._metric not in scalars:
      raise InputError(
          f'The evaluation returns no {self._metric}.',
          where='TrainConfig.best_metric',
          expected=f'one of {", ".join(scalars)}',
          fix='Correct the name.',
      )
    value = float(scalars[self._metric])
    sign = 1 if self._mode == 'max' else -1
    if np.isnan(value) or (
        self._value is not None and sign * value <= sign * self._value
    ):
      return
    self._value = value
    self._saved.save(step, params, {'metric': self._metric, 'value': value})

  def __exit__(self, *exception):
    if self._saved is not None:
      self._saved.__exit__(*exception)
