# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A bundle's search as StableHLO."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import sys

from plum_jax.launch import application
from plum_jax.launch import chatter

_PROGRAM = 'plum_jax.launch.export_program'
_DESCRIPTION = """
Writes the search over a bundle as one StableHLO function of weights, constraint
index, prompts and items to leave out; see plum_jax/serving/export.py.
"""


def main(argv: Sequence[str] | None = None) -> None:
  """Runs the program.

  Args:
    argv: the arguments; the process's own by default.
  """
  arguments = list(sys.argv[1:] if argv is None else argv)
  sys.exit(application.exit_status(lambda: _run(arguments)))


def _run(argv: list[str]) -> None:
  flags = _parser().parse_args(argv)
  chatter.set_up_logging()
  from plum_jax.serving import bundle
  from plum_jax.serving import export

  export.write(
      flags.output,
      bundle.load(flags.bundle),
      batch_size=flags.batch_size,
      max_excluded=flags.max_excluded,
      platforms=flags.platforms.split(','),
  )


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
      prog=f'python -m {_PROGRAM}', description=_DESCRIPTION, allow_abbrev=False
  )
  add = parser.add_argument
  add('--bundle', required=True, metavar='PATH', help='a folder bundle/')
  add(
      '--output', required=True, metavar='PATH', help='a folder, such as export'
  )
  add('--batch_size', type=int, default=8, help='users of a call')
  add('--max_excluded', type=int, default=512, help='items left out of a user')
  add('--platforms', default='cpu', help='such as cpu,tpu,cuda')
  return parser


if __name__ == '__main__':
  main()
