# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The work in a compiled program's matrix products."""

from __future__ import annotations

from collections.abc import Mapping
import math
import re

import numpy as np

from plum_jax.hardware import hlo_text


def count(program: hlo_text.Program) -> int:
  """Returns a device's FLOPs in matrix products, loops as often as they run.

  A product of m x k by k x n is 2 m k n. TPU programs write products as
  convolutions, batched ones with windows that mostly lie on nothing: those
  positions are not counted, as in XLA's own analysis.

  Args:
    program: the program.

  Returns:
    FLOPs; elementwise work, small beside it, is left out.
  """
  return sum(
      times * _flops(program.computations[name], one)
      for name, one, times, _ in program.walk()
      if one.opcode in ('convolution', 'dot')
  )


def _flops(
    here: Mapping[str, hlo_text.Instruction], one: hlo_text.Instruction
) -> int:
  left, right = (here[name].results[0].shape for name in one.operands)
  out = one.results[0].shape
  if one.opcode == 'dot':
    contracted = re.search(r'lhs_contracting_dims=\{([\d,]*)\}', one.text)
    sizes = (
        [int(i) for i in contracted[1].split(',') if i] if contracted else []
    )
    return 2 * math.prod(out) * math.prod(left[i] for i in sizes)
  labels = re.search(r'dim_labels=(\w+)_(\w+)->(\w+)', one.text)
  assert labels is not None, one.text
  groups = re.search(r'batch_group_count=(\d+)', one.text)
  work = 2 * out[labels[3].index('b')] * out[labels[3].index('f')]
  work = work * right[labels[2].index('i')] // (int(groups[1]) if groups else 1)
  for dim in sorted(set(labels[3]) - {'b', 'f'}):
    work *= _positions(
        left[labels[1].index(dim)],
        right[labels[2].index(dim)],
        out[labels[3].index(dim)],
        {key: _window(one.text, key, int(dim)) for key in _DEFAULTS},
    )
  return work


_DEFAULTS = {'stride': '1', 'pad': '0_0', 'lhs_dilate': '1', 'rhs_dilate': '1'}


def _window(text: str, key: str, dim: int) -> int:
  """Returns a number of a convolution's window; of `pad` the lower one."""
  found = re.search(rf'window=\{{[^}}]*\b{key}=([\d_x\-]+)', text)
  values = found[1].split('x') if found else None
  value = values[dim] if values else _DEFAULTS[key]
  return int(value.split('_')[0])


def _positions(size: int, kernel: int, out: int, window: dict[str, int]) -> int:
  """Counts pairs of output and kernel positions that meet an element."""
  place = (
      np.arange(out)[:, None] * window['stride']
      - window['pad']
      + np.arange(kernel)[None, :] * window['rhs_dilate']
  )
  dilated = (size - 1) * window['lhs_dilate'] + 1
  meets = (place >= 0) & (place < dilated)
  return int((meets & (place % window['lhs_dilate'] == 0)).sum())
