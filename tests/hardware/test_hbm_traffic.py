# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Traffic with HBM, by hand."""

from plum_jax.hardware import hbm_traffic
from plum_jax.hardware import hlo_text


def _count(line: str) -> int:
  return hbm_traffic.count(
      hlo_text.parse(
          'ENTRY %main (p: f32[8,128]) -> f32[8,128] {\n'
          '  %p = f32[8,128]{1,0} parameter(0)\n'
          f'  {line}\n}}\n'
      )
  )


def test_operand_and_result_count():
  assert _count('%a = f32[8,128]{1,0} negate(%p)') == 2 * 8 * 128 * 4


def test_result_in_on_chip_memory_counts_nothing():
  assert _count('%a = f32[8,128]{1,0:T(8,128)S(1)} negate(%p)') == 8 * 128 * 4


def test_asynchronous_slice_counts_the_slice():
  line = (
      '%a = ((f32[8,128]{1,0}), f32[2,128]{1,0:S(1)}, s32[]{:S(2)}) '
      'slice-start(%p), slice={[0:2], [0:128]}'
  )
  assert _count(line) == 2 * 128 * 4


def test_loop_counts_slices_of_its_weights(loop_text):
  # Five times: x read and y written, a piece of 256 x 1024 bfloat16 read; the
  # counter is read by the addition (twice 4 bytes) and the fusion, and written.
  count = hbm_traffic.count(hlo_text.parse(loop_text))
  matrices = 2 * 64 * 1024 * 2 + 256 * 1024 * 2
  assert 5 * matrices <= count <= 5 * (matrices + 64)
