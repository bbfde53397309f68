# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compiled program needs on each device."""

from __future__ import annotations

import dataclasses
import re

import jax

from plum_jax.hardware import collectives
from plum_jax.hardware import hbm_traffic
from plum_jax.hardware import hlo_text
from plum_jax.hardware import matrix_products

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
_UNITS = {'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


@dataclasses.dataclass(frozen=True)
class ProgramCosts:
  """A program on one device.

  Attributes:
    argument_bytes: memory of its arguments.
    output_bytes: memory of its results.
    aliased_bytes: results that take the place of donated arguments.
    temporary_bytes: memory of everything between.
    code_bytes: memory of the program itself.
    matrix_flops: FLOPs of matrix products, loops as often as they run.
    xla_flops: XLA's own count, elementwise work included, loops once.
    hbm_bytes: bytes read from and written to HBM; see `hbm_traffic`.
    xla_bytes: XLA's own count, on-chip memory included, loops once.
    collectives: what goes between chips.
    loops_without_count: loops that count once, since it is not known how often
      they run.
  """

  argument_bytes: int
  output_bytes: int
  aliased_bytes: int
  temporary_bytes: int
  code_bytes: int
  matrix_flops: int
  xla_flops: int
  hbm_bytes: int
  xla_bytes: int
  collectives: tuple[collectives.Collective, ...]
  loops_without_count: tuple[str, ...]

  @property
  def total_bytes(self) -> int:
    """HBM that the device must have for it."""
    return (
        self.argument_bytes
        + self.output_bytes
        - self.aliased_bytes
        + self.temporary_bytes
        + self.code_bytes
    )

  @property
  def received_bytes(self) -> int:
    """Bytes that the device must receive from others."""
    return sum(one.times * one.received_bytes for one in self.collectives)


@dataclasses.dataclass(frozen=True)
class DoesNotFit:
  """What the compiler says of a program that is too large.

  Attributes:
    needed_bytes: HBM that it would need; None where the compiler does not say.
    usable_bytes: HBM that the compiler may use; None likewise.
  """

  needed_bytes: int | None
  usable_bytes: int | None


def compile_program(lowered: jax.stages.Lowered) -> ProgramCosts | DoesNotFit:
  """Compiles a program and takes its measure.

  Args:
    lowered: the program for some devices.

  Returns:
    The costs, or that it does not fit into the devices' memory.
  """
  try:
    compiled = lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    return _too_large(str(error))
  return measure(compiled)


def _too_large(message: str) -> DoesNotFit:
  """Reads the compiler's message.

  >>> _too_large('Ran out of memory in memory space hbm. Used 20.00G of '
  ...            '15.75G hbm. Exceeded hbm capacity by 4.25G.').usable_bytes
  16911433728
  """
  found = re.search(r'Used ([\d.]+)([KMGT]) of ([\d.]+)([KMGT]) hbm', message)
  if found is None:
    return DoesNotFit(None, None)
  return DoesNotFit(
      int(float(found[1]) * _UNITS[found[2]]),
      int(float(found[3]) * _UNITS[found[4]]),
  )


def measure(compiled: jax.stages.Compiled) -> ProgramCosts:
  """Takes the measure of a compiled program.

  Args:
    compiled: the program.

  Returns:
    Its costs on one device.

  Raises:
    ValueError: the platform's compiler tells nothing.
  """
  memory = compiled.memory_analysis()
  xla = compiled.cost_analysis()
  text = compiled.as_text()
  if memory is None or xla is None or text is None:
    raise ValueError('The compiler does not tell what the program costs.')
  program = hlo_text.parse(text)
  return ProgramCosts(
      argument_bytes=memory.argument_size_in_bytes,
      output_bytes=memory.output_size_in_bytes,
      aliased_bytes=memory.alias_size_in_bytes,
      temporary_bytes=memory.temp_size_in_bytes,
      code_bytes=memory.generated_code_size_in_bytes,
      matrix_flops=matrix_products.count(program),
      xla_flops=int(xla.get('flops', 0)),
      hbm_bytes=hbm_traffic.count(program),
      xla_bytes=int(xla.get('bytes accessed', 0)),
      collectives=tuple(collectives.find(program)),
      loops_without_count=tuple(program.loops_without_count()),
  )
