# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads the text of a compiled program: computations, and how often each runs.

JAX gives access to a program's text alone, and XLA's own cost analysis counts
the body of a loop once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import dataclasses
import math
import re

_HEADER = re.compile(r'^(ENTRY )?%?([\w.\-]+) \(.*\{\s*$')
_INSTRUCTION = re.compile(r'^\s*(?:ROOT )?%?([\w.\-]+) = (.*)$')
_OPCODE = re.compile(r'(?:^|[\s)}\]])([a-z][a-z0-9\-]*)\(')
_ARRAY = re.compile(r'\b(pred|[a-z]+\d+[a-z0-9]*)\[([\d,]*)\](\{[^}]*\})?')
_CALLED = re.compile(
    r'\b(?:calls|to_apply|body|true_computation|false_computation)='
    r'%?([\w.\-]+)'
)
_BRANCHES = re.compile(r'branch_computations=\{([^}]*)\}')
_COMMENT = re.compile(r'/\*.*?\*/')
_BITS = re.compile(r'\d+')


@dataclasses.dataclass(frozen=True)
class Array:
  """A part of an instruction's result.

  Attributes:
    dtype: as XLA writes it, such as `bf16`.
    shape: dimensions.
    on_chip: whether it lies in the chip's own memory, not in HBM.
  """

  dtype: str
  shape: tuple[int, ...]
  on_chip: bool

  @property
  def num_bytes(self) -> int:
    """Bytes, without padding."""
    bits = _BITS.search(self.dtype)
    width = 8 if self.dtype == 'pred' or bits is None else int(bits[0])
    return math.prod(self.shape) * width // 8


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of a program.

  Attributes:
    name: what others call its result.
    opcode: what it does.
    results: the arrays that it makes.
    operands: names of what it reads.
    text: what follows the opcode.
  """

  name: str
  opcode: str
  results: tuple[Array, ...]
  operands: tuple[str, ...]
  text: str

  @property
  def num_bytes(self) -> int:
    """Bytes of the result."""
    return sum(array.num_bytes for array in self.results)

  @property
  def called(self) -> list[str]:
    """Computations that it runs once for itself."""
    names = _CALLED.findall(self.text)
    for branches in _BRANCHES.findall(self.text):
      names += [name.strip().lstrip('%') for name in branches.split(',')]
    return names


Computation = Mapping[str, Instruction]


@dataclasses.dataclass(frozen=True)
class Program:
  """A compiled program.

  Attributes:
    computations: instructions by name, of each computation by name.
    entry: where it begins.
  """

  computations: Mapping[str, Computation]
  entry: str

  def walk(self) -> Iterator[tuple[str, Instruction, int, bool]]:
    """Goes through all that runs.

    Yields:
      The computation, an instruction of it, how often that runs, and whether
      it is a part of a fusion. A computation that is called from several places
      comes once for each.
    """
    todo = [(self.entry, 1, False)]
    while todo:
      name, times, fused = todo.pop()
      for one in self.computations[name].values():
        yield name, one, times, fused
        inner = times
        if one.opcode == 'while':
          inner *= self.trip_count(name, one) or 1
        inside = fused or one.opcode == 'fusion'
        todo += [(called, inner, inside) for called in one.called]

  def loops_without_count(self) -> list[str]:
    """Names the loops of which it is not known how often they run."""
    return sorted(
        {
            one.name
            for name, one, _, _ in self.walk()
            if one.opcode == 'while' and self.trip_count(name, one) is None
        }
    )

  def trip_count(self, computation: str, loop: Instruction) -> int | None:
    """Returns how often a loop runs.

    That is what XLA noted, or what follows from a counter with a constant
    start and step that is compared with a constant.

    Args:
      computation: where the loop stands.
      loop: the instruction.

    Returns:
      The count; None if it cannot be told.
    """
    noted = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.text)
    if noted:
      return int(noted[1])
    condition = re.search(r'condition=%?([\w.\-]+)', loop.text)
    body = re.search(r'body=%?([\w.\-]+)', loop.text)
    if condition is None or body is None:
      return None
    test = self.computations[condition[1]]
    compared = [one for one in test.values() if one.opcode == 'compare']
    if len(compared) != 1 or 'direction=LT' not in compared[0].text:
      return None
    counter, limit = (test.get(name) for name in compared[0].operands)
    if counter is None or limit is None or limit.opcode != 'constant':
      return None
    index = re.search(r'index=(\d+)', counter.text)
    if counter.opcode != 'get-tuple-element' or index is None:
      return None
    start = self._start(computation, loop, int(index[1]))
    step = self._step(body[1], int(index[1]))
    if start is None or not step:
      return None
    return max(0, -(-(_constant(limit) - start) // step))

  def _start(
      self, computation: str, loop: Instruction, index: int
  ) -> int | None:
    """Returns a loop counter's first value, if it is a constant."""
    here = self.computations[computation]
    first = here.get(loop.operands[0])
    if first is None or first.opcode != 'tuple':
      return None
    value = here.get(first.operands[index])
    while value is not None and value.opcode == 'copy':
      value = here.get(value.operands[0])
    if value is None or value.opcode != 'constant':
      return None
    return _constant(value)

  def _step(self, body: str, index: int) -> int | None:
    """Returns what a loop adds to its counter, if it is a constant."""
    here = self.computations[body]
    last = list(here.values())[-1]
    if last.opcode != 'tuple':
      return None
    added = here.get(last.operands[index])
    if added is None or added.opcode != 'add':
      return None
    for name in added.operands:
      value = here.get(name)
      if value is not None and value.opcode == 'constant':
        return _constant(value)
    return None


def _constant(one: Instruction) -> int:
  return int(one.text[: one.text.index(')')])


def parse(text: str) -> Program:
  """Reads a program.

  Args:
    text: what `jax.stages.Compiled.as_text` gives.

  Returns:
    The program.

  Raises:
    ValueError: the text has no entry.
  """
  computations: dict[str, dict[str, Instruction]] = {}
  current: dict[str, Instruction] | None = None
  entry = None
  for line in text.splitlines():
    header = _HEADER.match(line)
    if header:
      current = computations.setdefault(header[2], {})
      entry = header[2] if header[1] else entry
    elif line.startswith('}'):
      current = None
    elif current is not None:
      one = _instruction(line)
      if one is not None:
        current[one.name] = one
  if entry is None:
    raise ValueError('The text is no HLO module: it has no entry.')
  return Program(computations, entry)


def _instruction(line: str) -> Instruction | None:
  found = _INSTRUCTION.match(_COMMENT.sub('', line))
  if found is None:
    return None
  rest = found[2]
  # Metadata may hold anything; layouts hold opcodes' look-alikes: T(8,128).
  opcode = _OPCODE.search(rest.split(', metadata=')[0])
  if opcode is None:
    return None
  text = rest[opcode.end() :]
  operands = text[: text.find(')')]
  return Instruction(
      name=found[1],
      opcode=opcode[1],
      results=tuple(
          Array(
              dtype,
              tuple(int(size) for size in sizes.split(',') if size),
              bool(layout and re.search(r'S\([1-9]', layout)),
          )
          for dtype, sizes, layout in _ARRAY.findall(rest[: opcode.start()])
      ),
      operands=tuple(re.findall(r'%([\w.\-]+)', operands)),
      text=text,
  )
