# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What libraries print about themselves, kept out of the log."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import logging
import os
import re
import sys
import tempfile

# TensorFlow's C++ libraries print these while they load, whatever
# TF_CPP_MIN_LOG_LEVEL says; glog's form: level, month and day, time.
_CHATTER = re.compile(
    rb'[IW]\d{4} [\d:.]+\s+\d+ \S+:\d+\] '
    rb'|WARNING: All log messages before absl::InitializeLog'
    rb'|To enable the following instructions: '
)


@contextlib.contextmanager
def hide() -> Iterator[None]:
  """Holds back what is written to stderr; in the end writes all but chatter.

  For imports only: what a crash of the process prints in the block is lost.
  """
  sys.stderr.flush()
  kept = os.dup(2)
  with tempfile.TemporaryFile() as file:
    os.dup2(file.fileno(), 2)
    try:
      yield
    finally:
      sys.stderr.flush()
      os.dup2(kept, 2)
      os.close(kept)
      file.seek(0)
      for line in file:
        if not _CHATTER.match(line):
          os.write(2, line)


def set_up_logging() -> None:
  """One line a message to stderr, with the time; other libraries' warnings."""
  logging.basicConfig(
      format='%(asctime)s %(message)s',
      datefmt='%H:%M:%S',
      level=logging.WARNING,
      stream=sys.stderr,
  )
  logging.getLogger('plum_jax').setLevel(logging.INFO)
  for name in ('absl', 'orbax', 'tensorflow'):
    logging.getLogger(name).setLevel(logging.ERROR)
