# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What chips must receive, for each kind of collective."""

import pytest

from plum_jax.hardware import collectives
from plum_jax.hardware import hlo_text

_GROUPS = 'channel_id=1, replica_groups=[2,4]<=[8]'


def _find(line: str) -> list[collectives.Collective]:
  return collectives.find(
      hlo_text.parse(
          'ENTRY %main (p: f32[8,128]) -> f32[8,128] {\n'
          f'  %p = f32[8,128] parameter(0)\n  {line}\n}}\n'
      )
  )


@pytest.mark.parametrize(
    ('line', 'kind', 'result', 'received'),
    [
        (f'%g = f32[32,128] all-gather(%p), {_GROUPS}', 'all-gather', 4, 3),
        (f'%g = f32[8,128] all-reduce(%p), {_GROUPS}', 'all-reduce', 1, 1.5),
        (
            f'%g = f32[2,128] reduce-scatter(%p), {_GROUPS}',
            'reduce-scatter',
            0.25,
            0.75,
        ),
        (f'%g = f32[8,128] all-to-all(%p), {_GROUPS}', 'all-to-all', 1, 0.75),
        (
            '%g = (f32[8,128], f32[8,128], u32[]) '
            'collective-permute-start(%p), source_target_pairs={{0,1},{1,0}}',
            'collective-permute',
            1,
            1,
        ),
        (
            f'%g = (f32[8,128], f32[32,128]) all-gather-start(%p), {_GROUPS}',
            'all-gather',
            4,
            3,
        ),
    ],
)
def test_received_bytes_follow_from_kind(line, kind, result, received):
  [found] = _find(line)
  size = 8 * 128 * 4
  assert found.kind == kind
  assert found.result_bytes == result * size
  assert found.received_bytes == received * size


def test_collective_of_groups_of_one_is_none():
  line = '%g = f32[8,128] all-reduce(%p), replica_groups={{0},{1}}'
  assert _find(line) == []


def test_one_channel_in_several_fusions_is_one_collective():
  gather = f'  %g = f32[32,128] all-gather(%p), {_GROUPS}\n'
  fused = '(p: f32[8,128]) -> f32[32,128] {\n  %p = f32[8,128] parameter(0)\n'
  program = hlo_text.parse(
      f'%first {fused}{gather}}}\n%second {fused}{gather}}}\n'
      'ENTRY %main (q: f32[8,128]) -> f32[32,128] {\n'
      '  %q = f32[8,128] parameter(0)\n'
      '  %a = f32[32,128] fusion(%q), kind=kCustom, calls=%first\n'
      '  %b = f32[32,128] fusion(%q), kind=kCustom, calls=%second\n}\n'
  )
  assert len(collectives.find(program)) == 1


def test_all_reduce_in_scattering_fusion_is_reduce_scatter():
  program = hlo_text.parse(
      '%all-reduce-scatter.1 (p: f32[8,128]) -> f32[2,128] {\n'
      '  %p = f32[8,128] parameter(0)\n'
      f'  %r = f32[8,128] all-reduce(%p), {_GROUPS}\n'
      '  %s = f32[2,128] dynamic-slice(%r, %p)\n}\n'
      'ENTRY %main (q: f32[8,128]) -> f32[2,128] {\n'
      '  %q = f32[8,128] parameter(0)\n'
      '  %a = f32[2,128] fusion(%q), kind=kCustom, '
      'calls=%all-reduce-scatter.1\n'
      '}\n'
  )
  [found] = collectives.find(program)
  assert found.kind == 'reduce-scatter'
  assert found.received_bytes == 8 * 128 * 4 * 3 // 4
