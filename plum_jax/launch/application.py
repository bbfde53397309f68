# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What all launchers do around their stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
import errno
import os
import pathlib
import sys

from plum_jax.artifacts import atomic
from plum_jax.artifacts import errors
from plum_jax.artifacts import processes
from plum_jax.launch import allocator
from plum_jax.launch import chatter
from plum_jax.launch import command_line
from plum_jax.launch import garbage
from plum_jax.launch import run_lock
from plum_jax.launch import several_processes
from plum_jax.launch.config import loading
from plum_jax.launch.stage import Stage

INPUT_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
_CONFIG = 'config'
_FULL_DISK = ('No space left on device', 'Disk quota exceeded')


def main(stage: Stage, argv: Sequence[str] | None = None) -> None:
  """Runs one stage as a program; see `exit_status` for how it ends.

  Args:
    stage: the stage.
    argv: the arguments; the process's own by default.
  """
  program = f'plum_jax.launch.{stage.name}'
  run_stages([stage], program, stage.description, argv)


def run_stages(
    stages: Sequence[Stage],
    program: str,
    description: str,
    argv: Sequence[str] | None = None,
) -> None:
  """Runs stages one after another as a program.

  All are configured and checked before the first one starts, each by its own
  base file, so that it gets what it would get when launched alone.

  Args:
    stages: the stages in order.
    program: the module that is run, for messages.
    description: for `--help`.
    argv: the arguments; the process's own by default.
  """
  arguments = sys.argv[1:] if argv is None else argv

  def work() -> None:
    chatter.set_up_logging()
    job, rest = several_processes.parse(arguments)
    parsed = command_line.parse(rest, program, description, stages)
    if job is not None:
      several_processes.check_stages(stages)
    configs = load_all(stages, parsed)
    if job is not None:
      several_processes.join(job)
    run_dir = run_directory(configs[0])
    with claim(run_dir):
      for stage, config in zip(stages, configs, strict=True):
        call(stage, config, run_dir)

  status = 1
  try:
    status = exit_status(work)
  except Exception as error:
    if not processes.several():
      raise
    several_processes.leave(status, error)
  if status and processes.several():
    several_processes.leave(status)
  sys.exit(status)


def load_all(
    stages: Sequence[Stage], arguments: loading.Arguments
) -> list[loading.Config]:
  """Configures stages.

  Raises:
    InputError: something is misspelt, missing or of a wrong type.
  """
  for stage in stages:  # All spelling first: it takes milliseconds.
    loading.read(stage.name, arguments)
  with chatter.hide(), garbage.none_collected():
    configs = [
        loading.load(stage.name, stage.function, arguments) for stage in stages
    ]
  loading.check_flags(arguments, configs)
  return configs


def run_directory(config: loading.Config | loading.Sources) -> pathlib.Path:
  """Returns the folder that a configuration names.

  Raises:
    InputError: RUN_DIR is no path.
  """
  value = config.macro('RUN_DIR')
  if not isinstance(value, str) or not value:
    raise errors.InputError(
        f'RUN_DIR is no folder: {value!r}.',
        where='RUN_DIR',
        expected='a path as text',
        fix="--gin.RUN_DIR='runs/mine'",
    )
  return pathlib.Path(value)


@contextlib.contextmanager
def claim(run_dir: pathlib.Path) -> Iterator[None]:
  """Keeps other launches out, and clears up what a killed one left.

  Raises:
    InputError: another launch is writing the run.
  """
  with contextlib.ExitStack() as stack:

    def take() -> None:
      stack.enter_context(run_lock.hold(run_dir))
      atomic.remove_leftovers(run_dir)
      atomic.remove_leftovers(run_dir / _CONFIG)

    processes.first_decides(take)
    yield


def call(stage: Stage, config: loading.Config, run_dir: pathlib.Path) -> None:
  """Calls a stage, and writes `config/<stage>.gin` with what it used.

  That is not inside the stage's artifact, whose content hash must not depend
  on how a parameter came to its value.
  """
  function = config.activate()
  raised = None
  try:
    function()
  except Exception as error:
    raised = loading.original(error)
  if raised is not None:  # Out here, so that the look-alike leaves no trace.
    raise raised
  if not processes.is_first():
    return
  with atomic.write_file(run_dir / _CONFIG / f'{stage.name}.gin') as path:
    path.write_text(loading.operative_text(), encoding='utf-8')


def exit_status(work: Callable[[], None]) -> int:
  """Runs a program's work and says with what status it must end.

  The process keeps freed memory from here on; see `allocator`.

  Returns:
    0; 2 after an error in what the user gave, or of the operating system,
    which is printed without a traceback; 130 after Ctrl-C; 141 when the
    reader of the output has gone.

  Raises:
    Exception: anything else is a bug, and keeps its traceback.
  """
  allocator.keep_freed_memory()
  try:
    work()
  except errors.InputError as error:
    return _report(error)
  except KeyboardInterrupt:
    print('\nInterrupted: run the same command to go on.', file=sys.stderr)
    return INTERRUPTED
  except BrokenPipeError:  # Whoever read the output has left.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
  except Exception as error:
    refused = _operating_system_error(error)
    if refused is None:
      raise
    return _report(errors.from_os_error(refused, refused.filename or 'disk'))
  return 0


def _report(error: errors.InputError) -> int:
  print(f'Error: {error}', file=sys.stderr)
  return INPUT_ERROR


def _operating_system_error(error: BaseException) -> OSError | None:
  """Finds what the operating system refused, also behind libraries' errors.

  TensorStore and TensorFlow report a full disk by errors of their own, with
  the system's words in the message.
  """
  if isinstance(error, OSError) and error.errno is not None:
    return error
  cause: BaseException | None = error
  while cause is not None:
    if any(text in str(cause) for text in _FULL_DISK):
      return OSError(errno.ENOSPC, _FULL_DISK[0])
    suppressed = cause.__suppress_context__
    cause = cause.__cause__ or (None if suppressed else cause.__context__)
  return None
