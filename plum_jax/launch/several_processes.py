# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Joining the processes of one job, when the command line asks for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import dataclasses
import logging
import os
import socket
import sys
import time
import traceback

from plum_jax.artifacts import processes
from plum_jax.artifacts.errors import InputError
from plum_jax.launch.stage import Stage

_LOGGER = logging.getLogger('plum_jax')
# Time without a sign of life after which JAX ends all other processes.
HEARTBEAT_TIMEOUT_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Job:
  """How this process finds the others; what is None JAX finds out itself.

  Attributes:
    coordinator_address: host and port of the first process.
    num_processes: how many there are.
    process_id: which one this is, from 0.
  """

  coordinator_address: str | None = None
  num_processes: int | None = None
  process_id: int | None = None


def parse(argv: Sequence[str]) -> tuple[Job | None, list[str]]:
  """Takes the flags of several processes out of a command line.

  Args:
    argv: the arguments.

  Returns:
    The job, None if no flag asks for one, and the other arguments.

  Raises:
    InputError: only some of the three flags are there.

  >>> job, rest = parse(['--distributed', '--help'])
  >>> job == Job(), rest
  (True, ['--help'])
  """
  parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
  parser.add_argument('--distributed', action='store_true')
  parser.add_argument('--coordinator_address')
  parser.add_argument('--num_processes', type=int)
  parser.add_argument('--process_id', type=int)
  flags, rest = parser.parse_known_args(argv)
  given = (flags.coordinator_address, flags.num_processes, flags.process_id)
  if given == (None, None, None):
    return (Job() if flags.distributed else None), rest
  if None in given:
    raise InputError(
        'Only some of the flags of several processes are given.',
        where='command line',
        expected='--coordinator_address=HOST:PORT, --num_processes=N and '
        '--process_id=I, or --distributed alone on a TPU VM or under SLURM',
        fix='Give all three.',
    )
  return Job(*given), rest


def check_stages(stages: Sequence[Stage]) -> None:
  """Refuses stages that one process must run.

  Raises:
    InputError: there is one.
  """
  alone = [stage.name for stage in stages if not stage.several_processes]
  if alone:
    raise InputError(
        f'The stage {alone[0]} runs in one process.',
        where='command line',
        expected='the stage train alone',
        fix='Run the other stages first, without flags of several processes.',
    )


def join(job: Job) -> None:
  """Waits for the other processes; must come before JAX looks for devices.

  Raises:
    InputError: JAX cannot find out who they are, or they do not come.
  """
  import jax

  try:
    jax.distributed.initialize(
        job.coordinator_address,
        job.num_processes,
        job.process_id,
        heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT_SECONDS,
    )
  except (ValueError, RuntimeError) as error:
    raise InputError(
        f'The processes cannot be joined: {str(error).splitlines()[0]}',
        where=job,
        expected='all processes of the job started, and a cluster that JAX '
        'knows where --distributed stands alone',
        fix='Give --coordinator_address, --num_processes and --process_id.',
    ) from error
  # So that a number in JAX's message leads to a machine.
  names = processes.gather(f'{os.getpid()} on {socket.gethostname()}')
  if processes.is_first():
    for number, name in enumerate(names):
      _LOGGER.info('process %d of %d: %s', number, len(names), name)
  else:
    _LOGGER.setLevel(logging.WARNING)


def leave(status: int, error: BaseException | None = None) -> None:
  """Ends this process at once, so that the others need not wait for it.

  A usual end would wait for the others, which wait for this one.

  Args:
    status: the exit status.
    error: what ended it, if it was no `InputError`, which is printed already.
  """
  import jax

  if error is not None:
    traceback.print_exception(error)
    if isinstance(error, jax.errors.JaxRuntimeError):
      # A broken connection tells of a lost process before JAX knows which one
      # it is; JAX then names it and ends this one.
      time.sleep(HEARTBEAT_TIMEOUT_SECONDS + 15)
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(status)
