# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compiled program reads from and writes to HBM."""

from __future__ import annotations

from collections.abc import Iterator

from plum_jax.hardware import hlo_text

# These make no bytes move of themselves.
_FREE = frozenset(
    {
        'parameter',
        'constant',
        'tuple',
        'get-tuple-element',
        'bitcast',
        'while',
        'conditional',
        'call',
        'partition-id',
        'after-all',
    }
)
_SLICES = ('dynamic-slice', 'slice', 'gather')
_UPDATE = 'dynamic-update-slice'


def count(program: hlo_text.Program) -> int:
  """Returns a device's traffic, loops as often as they run.

  Each instruction that stands by itself reads its operands and writes its
  result, but for what lies in the chip's own memory. Of an operand that a
  fusion takes slices of, the slices count; of one that it updates in place, the
  update.

  Args:
    program: the program.

  Returns:
    Bytes.
  """
  return sum(
      times * _moved(program, name, one)
      for name, one, times, fused in program.walk()
      if not fused
      and one.opcode not in _FREE
      and not one.opcode.endswith('-done')
  )


def _moved(
    program: hlo_text.Program, computation: str, one: hlo_text.Instruction
) -> int:
  here = program.computations[computation]
  operands = [here[name].results for name in one.operands if name in here]
  if one.opcode == 'fusion' and one.called:
    inside = program.computations[one.called[0]]
    return sum(_fused(inside, operands)) + _written(inside, one)
  if one.opcode == _UPDATE:
    return 2 * _in_hbm(operands[1])
  if one.opcode in _SLICES:
    return 2 * _in_hbm(one.results)
  written = one.results
  if one.opcode == 'slice-start':  # Results: the operand, the slice, a flag.
    return written[1].num_bytes + _in_hbm(written[1:2])
  if one.opcode.endswith('-start'):
    # A start's result repeats its operand.
    written = written[:1] if one.opcode == 'copy-start' else written[1:]
  return sum(map(_in_hbm, operands)) + _in_hbm(written)


def _fused(
    inside: hlo_text.Computation,
    operands: list[tuple[hlo_text.Array, ...]],
) -> Iterator[int]:
  """Yields what a fusion reads of each operand."""
  users: dict[str, list[hlo_text.Instruction]] = {}
  for one in inside.values():
    for name in one.operands:
      users.setdefault(name, []).append(one)
  for one in inside.values():
    if one.opcode != 'parameter':
      continue
    number = int(one.text.partition(')')[0])
    if number >= len(operands) or not _in_hbm(operands[number]):
      continue
    whole = _in_hbm(operands[number])
    of = users.get(one.name, [])
    if of and all(user.opcode in _SLICES for user in of):
      yield min(whole, sum(user.num_bytes for user in of))
    elif of and all(
        user.opcode == _UPDATE and user.operands[0] == one.name for user in of
    ):
      yield 0
    else:
      yield whole


def _written(inside: hlo_text.Computation, fusion: hlo_text.Instruction) -> int:
  """Returns what a fusion writes."""
  last = list(inside.values())[-1]
  if last.opcode == _UPDATE and _in_hbm(fusion.results):
    update = inside.get(last.operands[1])
    return update.num_bytes if update else _in_hbm(fusion.results)
  return _in_hbm(fusion.results)


def _in_hbm(arrays: tuple[hlo_text.Array, ...]) -> int:
  return sum(array.num_bytes for array in arrays if not array.on_chip)
