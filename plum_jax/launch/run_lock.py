# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""One launch at a time for a run directory."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import os
import pathlib
import socket
import sys

from plum_jax.artifacts.errors import InputError

FILE_NAME = '.lock'


@contextlib.contextmanager
def hold(
    run_dir: str | os.PathLike[str], flag: str = '--gin.RUN_DIR'
) -> Iterator[None]:
  """Makes the run directory and keeps other launches out of it.

  The operating system lets go of the lock when the process ends, however it
  ends.

  Args:
    run_dir: the run's folder.
    flag: what names it on the command line, for the message.

  Yields:
    Nothing, while the lock is held.

  Raises:
    InputError: another process holds it.
  """
  path = pathlib.Path(run_dir) / FILE_NAME
  path.parent.mkdir(parents=True, exist_ok=True)
  with open(path, 'a+', encoding='utf-8') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      file.seek(0)
      raise InputError(
          'Another launch is writing this run.',
          where=run_dir,
          expected=f'no other; there is {file.read().strip() or "one"}',
          fix=f'Wait for it or stop it, or choose another folder: {flag}=...',
      ) from error
    file.truncate(0)
    command = ' '.join(sys.argv)
    file.write(f'process {os.getpid()} on {socket.gethostname()}: {command}\n')
    file.flush()
    yield
