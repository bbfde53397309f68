# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compiled program sends between chips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
import math
import re

from plum_jax.hardware import hlo_text

KINDS = (
    'all-gather',
    'all-reduce',
    'reduce-scatter',
    'all-to-all',
    'collective-permute',
)
_MESH_GROUPS = re.compile(
    r'replica_groups=mesh\[([^\]]*)\](?:, device_ids=\([^{]*\))?\s*\{([^}]*)\}'
)
_CHANNEL = re.compile(r'channel_id=(\d+)')
# TPU programs keep an all-reduce of which each chip needs a piece in a fusion
# of this name: it is a reduce-scatter.
_SCATTERED = 'all-reduce-scatter'


@dataclasses.dataclass(frozen=True)
class Collective:
  """A collective operation.

  Attributes:
    kind: one of `KINDS`.
    times: how often it runs.
    group_size: chips that take part with one another.
    result_bytes: what a chip has in the end.
    received_bytes: what a chip must receive for it at least, each time.
    shapes: of its results, as XLA writes them, the largest first.
  """

  kind: str
  times: int
  group_size: int
  result_bytes: int
  received_bytes: int
  shapes: tuple[str, ...]


def find(program: hlo_text.Program) -> list[Collective]:
  """Lists a program's collectives.

  Args:
    program: the program.

  Returns:
    One for each that moves anything, in no order. One that runs beside other
    work stands in several fusions under one channel, and is one.
  """
  found = []
  channels = set()
  for name, one, times, fused in program.walk():
    kind = one.opcode.removesuffix('-start')
    if kind not in KINDS:
      continue
    channel = _CHANNEL.search(one.text)
    if fused and channel:
      if channel[1] in channels:
        continue
      channels.add(channel[1])
    arrays = _results(one)
    if kind == 'all-reduce' and _SCATTERED in name:
      kind = 'reduce-scatter'
      size = sum(array.num_bytes for array in arrays)
      group_size = _group_size(one.text)
      arrays = []
      result = size // group_size
    else:
      result = sum(array.num_bytes for array in arrays)
      group_size = 2 if kind == 'collective-permute' else _group_size(one.text)
    if group_size > 1:
      ordered = sorted(arrays, key=lambda x: -x.num_bytes)
      found.append(
          Collective(
              kind,
              times,
              group_size,
              result,
              _received(kind, result, group_size),
              tuple(_shape(x) for x in ordered),
          )
      )
  return found


def _results(one: hlo_text.Instruction) -> list[hlo_text.Array]:
  """Returns the arrays that come out, without what a start passes along."""
  arrays = list(one.results)
  if one.opcode in ('all-gather-start', 'all-to-all-start'):
    return arrays[len(one.operands) : 2 * len(one.operands)]
  if one.opcode == 'collective-permute-start':
    return arrays[1:2]
  return arrays


def _received(kind: str, result: int, group_size: int) -> int:
  """Returns the fewest bytes that a chip must receive."""
  if kind == 'collective-permute':
    return result
  if kind == 'reduce-scatter':
    return result * (group_size - 1)
  once = result * (group_size - 1) // group_size
  # An all-reduce is a reduce-scatter and an all-gather.
  return 2 * once if kind == 'all-reduce' else once


def _group_size(text: str) -> int:
  """Reads how many chips form a group; XLA writes that in three ways.

  >>> _group_size("replica_groups=mesh['a'=4,'b'=2] {'a'}, dimensions={0}")
  4
  >>> _group_size("replica_groups=mesh['a'=2,'b'=3], device_ids=([3,2]T(1,0)) "
  ...             "{'a','b'}, dimensions={0}")
  6
  >>> _group_size('replica_groups=[4,2]<=[8]'), _group_size(
  ...     'replica_groups={{0,1,2,3},{4,5,6,7}}')
  (2, 4)
  """
  mesh = _MESH_GROUPS.search(text)
  if mesh:
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
    axes = re.findall(r"'(\w+)'", mesh[2])
    return math.prod(int(sizes[axis]) for axis in axes)
  iota = re.search(r'replica_groups=\[(\d+),(\d+)\]', text)
  if iota:
    return int(iota[2])
  listed = re.search(r'replica_groups=\{\{([\d,]+)\}', text)
  if listed:
    return listed[1].count(',') + 1
  raise ValueError(f'A collective without groups of a known form: {text[:300]}')


def _shape(array: hlo_text.Array) -> str:
  return f'{array.dtype}[{",".join(str(size) for size in array.shape)}]'


def totals(
    collectives: Sequence[Collective],
) -> Iterator[tuple[str, int, int, int]]:
  """Sums up collectives by kind.

  Args:
    collectives: of a program.

  Yields:
    The kind, how often one runs, bytes received by a chip, and bytes of the
    largest result; kinds that occur, in the order of `KINDS`.
  """
  for kind in KINDS:
    these = [one for one in collectives if one.kind == kind]
    if these:
      yield (
          kind,
          sum(one.times for one in these),
          sum(one.times * one.received_bytes for one in these),
          max(one.result_bytes for one in these),
      )
