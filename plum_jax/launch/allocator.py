# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The C library's allocator, kept from giving memory back after each step."""

from __future__ import annotations

import ctypes
import os
import re

# Where the number of CPU devices is given; by default it is 1.
_NUM_DEVICES = 'JAX_NUM_CPU_DEVICES'
_XLA_NUM_DEVICES = r'--xla_force_host_platform_device_count=(\d+)'
# Of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
  """Lets the process keep freed memory for what it allocates next.

  On CPU a compiled program allocates its temporaries when it is called and
  frees them when it ends. glibc returns large blocks to the system, which gives
  them back page by page, each filled with zeros: a quarter of the core time of
  a small model's training step. Call it before threads start; it changes
  nothing of what is computed. The process stays as large as it once was.

  Several CPU devices in a process are left alone: their temporaries are smaller
  and kept anyway, each thread's in an arena of its own, and one arena for all
  made their steps slower (benchmarks/README.md).

  Returns:
    Whether freed memory is kept: one CPU device, and the C library is glibc.
  """
  given = re.findall(_XLA_NUM_DEVICES, os.environ.get('XLA_FLAGS', ''))
  given.append(os.environ.get(_NUM_DEVICES, '1'))
  if any(number not in ('1', '') for number in given):
    return False
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt is None:
    return False
  # One arena: others lie in blocks of 64 MB, and larger ones would be returned.
  options = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1))
  return all(mallopt(name, value) == 1 for name, value in options)
