# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is said of checkpoints that cannot be read or written, and by whom."""

from __future__ import annotations

import logging

from plum_jax.artifacts import errors
from plum_jax.artifacts.errors import InputError

# What Orbax and TensorStore raise over files.
STORAGE = (ValueError, OSError, KeyError, TypeError, RuntimeError)
_OWN = 'Delete this folder; training goes on from the checkpoint before it.'
OTHERS = 'Get the checkpoint again, or correct the path.'


class OnlyWarningsOfOrbax(logging.Filter):
  """Drops what Orbax logs of every call, and of errors that it also raises."""

  def filter(self, record: logging.LogRecord) -> bool:
    """Says whether to log a record."""
    return record.levelno == logging.WARNING or 'orbax' not in record.pathname


def unreadable(error: Exception, where: object, fix: str = _OWN) -> InputError:
  """Says that a checkpoint could not be read, and what to do about it."""
  return InputError(
      f'The checkpoint cannot be read: {str(error).splitlines()[0]}',
      where=where,
      expected='a whole checkpoint',
      fix=fix,
  )


def unwritable(error: Exception, where: object) -> InputError:
  """Says why a checkpoint could not be written."""
  if isinstance(error, OSError):
    return errors.from_os_error(error, where)
  # TensorStore reports the operating system's errors in its message alone.
  if 'No space left' in str(error) or 'RESOURCE_EXHAUSTED' in str(error):
    return errors.from_os_error(OSError(28, 'No space left on device'), where)
  return InputError(
      f'The checkpoint cannot be written: {str(error).splitlines()[0]}',
      where=where,
      expected='a folder that this user may write',
      fix='Check the folder; earlier checkpoints in it are as they were.',
  )
