# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommendations from a bundle, for files of histories."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import pathlib
import sys

from plum_jax.artifacts import errors
from plum_jax.launch import application
from plum_jax.launch import chatter
from plum_jax.launch import run_lock

_PROGRAM = 'plum_jax.launch.recommend'
_DESCRIPTION = """
Recommends items to every row of files of histories. A row has the list history
of item ids, oldest first, and perhaps a user_id. Each file gives one of its own
name in the folder --output. The same command goes on after a kill: finished
files are skipped.
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
  # JAX is not needed to refuse a flag.
  from plum_jax.serving import batch
  from plum_jax.serving import bundle

  exclude = {'yes': True, 'no': False, 'bundle': None}
  loaded = bundle.load(flags.bundle)
  allow = _lines(flags.allow) if flags.allow else None
  deny = _lines(flags.deny) if flags.deny else ()
  with run_lock.hold(flags.output, '--output'):
    batch.recommend(
        loaded,
        flags.input,
        flags.output,
        batch.BatchConfig(
            k=flags.k,
            batch_size=flags.batch_size,
            exclude_history=exclude[flags.exclude_history],
            max_history=flags.max_history,
            unknown_items=flags.unknown_items,
            output_format=f'.{flags.format}' if flags.format else '',
        ),
        allow=allow,
        deny=deny,
    )


def _lines(path: str) -> list[str]:
  """Reads a file with an item id on each line."""
  try:
    lines = pathlib.Path(path).read_text('utf-8').splitlines()
  except UnicodeDecodeError as error:
    raise errors.InputError(
        f'The list cannot be read: {error}',
        where=path,
        expected='UTF-8 text, an item id on each line',
        fix='Correct the file.',
    ) from error
  return [line for line in lines if line]


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
      prog=f'python -m {_PROGRAM}', description=_DESCRIPTION, allow_abbrev=False
  )
  add = parser.add_argument
  add('--bundle', required=True, metavar='PATH', help='a folder bundle/')
  add(
      '--input',
      required=True,
      metavar='PATTERN',
      help="files of histories, such as 'histories/*.parquet' or *.jsonl",
  )
  add('--output', required=True, metavar='PATH', help='a folder')
  add('--k', type=int, default=10, help='items for each row')
  add('--batch_size', type=int, default=64, help='rows at a time')
  add(
      '--exclude_history',
      choices=('bundle', 'yes', 'no'),
      default='bundle',
      help='whether items of the history are left out; by default as the '
      'bundle says',
  )
  add(
      '--max_history',
      type=int,
      default=512,
      help='the longest history whose items can be left out',
  )
  add(
      '--unknown_items',
      choices=('skip', 'error'),
      default='skip',
      help='what becomes of ids that the bundle does not have',
  )
  add(
      '--format',
      choices=('parquet', 'jsonl'),
      help='of the output; by default that of each input',
  )
  add('--allow', metavar='PATH', help='the only items, an id on each line')
  add('--deny', metavar='PATH', help='items to leave out, an id on each line')
  return parser


if __name__ == '__main__':
  main()
