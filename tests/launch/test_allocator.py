# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Memory that is freed and allocated again."""

import os
import subprocess
import sys

import pytest

# They change what is tested, or how memory is had.
_CHANGED = ('GLIBC_TUNABLES', 'XLA_FLAGS', 'JAX_NUM_CPU_DEVICES')
_SCRIPT = """
import resource, threading
import numpy as np
from plum_jax.launch import allocator

def new_pages():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  np.ones(10_000_000)  # 80 MB are written and freed.
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {call}:
  print(allocator.keep_freed_memory())
found = []
for _ in range(2):  # Threads have arenas of their own if not told otherwise.
  thread = threading.Thread(target=lambda: found.append(new_pages()))
  thread.start()
  thread.join()
found.append(new_pages())
print(*found)
"""


def _run(call, **environment):
  """Returns what was printed, and new pages of the last two of three times."""
  kept = {k: v for k, v in os.environ.items() if k not in _CHANGED}
  done = subprocess.run(
      [sys.executable, '-c', _SCRIPT.format(call=call)],
      env=kept | environment,
      capture_output=True,
      text=True,
      check=True,
  )
  *said, numbers = done.stdout.splitlines()
  return said, sum(map(int, numbers.split()[1:]))


def test_freed_memory_is_given_out_again_without_new_pages():
  said, new_pages = _run(call=True)
  assert said == ['True']
  # 80 huge pages of 2 MB at least, or 40,000 small ones, else.
  assert new_pages < 40
  assert _run(call=False)[1] >= 80


@pytest.mark.parametrize(
    'environment',
    [
        {'XLA_FLAGS': '--xla_force_host_platform_device_count=8'},
        {'JAX_NUM_CPU_DEVICES': '2'},
    ],
)
def test_memory_of_several_devices_is_left_alone(environment):
  said, new_pages = _run(call=True, **environment)
  assert said == ['False']
  assert new_pages >= 80
