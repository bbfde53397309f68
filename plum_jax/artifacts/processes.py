# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the processes of one job tell each other.

Every function is called by all processes, in the same order, and does nothing
special where there is only one. JAX is imported only where a job has several:
stages that do not compute need not wait for it, nor take an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
import json
import sys
from typing import Any, TypeVar

import numpy as np

from plum_jax.artifacts.errors import InputError

_T = TypeVar('_T')


def several() -> bool:
  """Whether this process is one of several that `jax.distributed` joined."""
  jax = sys.modules.get('jax')
  return (
      jax is not None
      and jax.distributed.is_initialized()
      and jax.process_count() > 1
  )


def is_first() -> bool:
  """Whether this process is the one that writes files."""
  return not several() or sys.modules['jax'].process_index() == 0


def first_decides(decide: Callable[[], _T]) -> _T:
  """Calls a function in the first process and returns its value in all.

  Args:
    decide: returns a JSON value; called in the first process alone.

  Returns:
    What it returned.

  Raises:
    InputError: the function raised it; it is raised in all processes.
  """
  if not several():
    return decide()
  outcome: dict[str, Any] = {}
  if is_first():
    try:
      outcome = {'value': decide()}
    except InputError as error:
      outcome = {
          'what': error.what,
          'where': error.where,
          'expected': error.expected,
          'fix': error.fix,
      }
  outcome = gather(outcome)[0]
  if 'what' in outcome:
    raise InputError(**outcome)
  return outcome['value']


def gather(value: Any) -> list[Any]:
  """Returns the JSON values that the processes bring, in their order."""
  if not several():
    return [value]
  from jax.experimental import multihost_utils

  text = np.frombuffer(json.dumps(value).encode(), np.uint8)
  lengths = multihost_utils.process_allgather(np.int32(text.size))
  padded = np.zeros(lengths.max(), np.uint8)
  padded[: text.size] = text
  texts = multihost_utils.process_allgather(padded)
  return [
      json.loads(row[:length].tobytes())
      for row, length in zip(texts, lengths, strict=True)
  ]


def wait_for_all() -> None:
  """Returns when every process has called this."""
  gather(None)


def fetch(tree: Any) -> Any:
  """Brings arrays that lie on all processes' devices whole to each one."""
  import jax
  from jax.experimental import multihost_utils

  if not several():
    return jax.device_get(tree)
  return multihost_utils.process_allgather(tree, tiled=True)


def check_same(value: str, what: str) -> None:
  """Refuses processes that were not started alike.

  Args:
    value: a short text that must be the same in all.
    what: what it stands for, in the plural.

  Raises:
    InputError: it is another one in some process.
  """
  values = gather(value)
  if len(set(values)) > 1:
    raise InputError(
        f'The processes have different {what}.',
        where=', '.join(f'process {i}: {v}' for i, v in enumerate(values)),
        expected='the same command in every process but for --process_id, and '
        'one shared file system',
        fix='Start all with the same files and flags.',
    )
