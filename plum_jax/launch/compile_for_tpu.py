# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles an experiment's programs for a TPU slice, without a TPU or data."""

from __future__ import annotations

from collections.abc import Sequence
import os
import sys

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import chatter
from plum_jax.launch import command_line
from plum_jax.launch.config import loading
from plum_jax.launch.stage import Stage

STAGE = Stage(
    name='compile_for_tpu',
    function='plum_jax.stages.compile_for_tpu.run',
    description='Compiles the generator for a TPU slice: what it costs there.',
    reads=(),
    writes=('the file of --json, if it is given',),
)
_PROGRAM = 'plum_jax.launch.compile_for_tpu'
_DESCRIPTION = """\
  Compiles the training step, the prefill of prompts and the constrained beam
  search of an experiment for a TPU slice, on a machine without a TPU, and
  prints memory, FLOPs, collectives and the least time. No run directory is read
  unless --vocab_size is missing: the size is then that of its vocabulary.

    --topology=v5e:4x4     the slice: v3, v4, v5e, v5p or v6e
    --program=train        or prefill, decode, all (the default)
    --vocab_size=33024     rows of the table of embeddings
    --json=FILE            writes the figures there, too
    --training_tokens=260e9  says how many days so many tokens take
"""
_FLAGS = {
    '--topology': 'TPU_TOPOLOGY',
    '--program': 'TPU_PROGRAM',
    '--vocab_size': 'VOCAB_SIZE',
    '--json': 'TPU_REPORT',
    '--training_tokens': 'TPU_TRAINING_TOKENS',
}


def main(argv: Sequence[str] | None = None) -> None:
  """Runs the program; see `application.exit_status` for how it ends.

  Args:
    argv: the arguments; the process's own by default.
  """
  arguments = sys.argv[1:] if argv is None else argv
  # Before anything asks JAX for devices: nothing here runs on one.
  os.environ['JAX_PLATFORMS'] = 'cpu'

  def work() -> None:
    chatter.set_up_logging()
    parsed = command_line.parse(
        as_macros(arguments), _PROGRAM, _DESCRIPTION, [STAGE]
    )
    [config] = application.load_all([STAGE], parsed)
    function = config.activate()
    raised = None
    try:
      function()
    except Exception as error:
      raised = loading.original(error)
    if raised is not None:
      raise raised

  sys.exit(application.exit_status(work))


def as_macros(arguments: Sequence[str]) -> list[str]:
  """Turns this program's flags into those of the macros they stand for.

  Args:
    arguments: the command line.

  Returns:
    The same, with `--gin.MACRO=value` for each flag.

  Raises:
    InputError: a flag has no value.

  >>> as_macros(['--topology=v5e:2x2', '--gin.BEAM_SIZE=5'])
  ['--gin.TPU_TOPOLOGY=v5e:2x2', '--gin.BEAM_SIZE=5']
  """
  found = []
  for argument in arguments:
    name, equals, value = argument.partition('=')
    if name not in _FLAGS:
      found.append(argument)
      continue
    if not equals or not value:
      raise InputError(
          'The flag has no value.',
          where=f'command line, {argument}',
          expected=f'{name}=VALUE',
          fix='Write an equals sign and the value, without spaces.',
      )
    found.append(f'--gin.{_FLAGS[name]}={value}')
  return found


if __name__ == '__main__':
  main()
