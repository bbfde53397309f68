# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Semantic IDs of a catalog beyond one machine, as an Apache Beam pipeline."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import sys

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import chatter
from plum_jax.semantic_ids import collisions

_PROGRAM = 'plum_jax.launch.assign_with_beam'
_DESCRIPTION = """
Gives every item of a catalog its Semantic ID with a frozen tokenizer. The table
equals that of the stage semantic_ids; its work is spread over the workers of an
Apache Beam runner. All workers must see the folders under the same paths.
"""
_EPILOG = """
Beam's own flags follow after --, for example
  -- --runner=FlinkRunner --flink_master=host:8081 --parallelism=64
Without a runner everything runs in this process.
"""


def main(argv: Sequence[str] | None = None) -> None:
  """Runs the program.

  Args:
    argv: the arguments; the process's own by default.
  """
  arguments = list(sys.argv[1:] if argv is None else argv)
  sys.exit(application.exit_status(lambda: _run(arguments)))


def _run(argv: list[str]) -> None:
  ours, pipeline_flags = argv, []
  if '--' in argv:
    ours = argv[: argv.index('--')]
    pipeline_flags = argv[len(ours) + 1 :]
  flags = _parser().parse_args(ours)
  chatter.set_up_logging()
  try:
    from plum_jax.semantic_ids import beam_assign
  except ModuleNotFoundError as error:
    if error.name != 'apache_beam':
      raise
    raise InputError(
        str(error),
        where=sys.executable,
        expected='Apache Beam beside this project, here and on the workers',
        fix='Install the extra; or run the stage semantic_ids, which needs one '
        'machine and no Beam.',
    ) from error
  beam_assign.make_table(
      flags.output,
      tokenizer_directory=flags.tokenizer,
      embeddings_directory=flags.item_embeddings,
      catalog_directory=flags.catalog,
      collisions=flags.collisions,
      disambiguation_size=flags.disambiguation_size,
      pipeline_flags=pipeline_flags,
  )


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
      prog=f'python -m {_PROGRAM}',
      description=_DESCRIPTION,
      epilog=_EPILOG,
      formatter_class=argparse.RawDescriptionHelpFormatter,
      allow_abbrev=False,
  )
  for name, text in (
      ('tokenizer', 'the folder semantic_ids/tokenizer of a run'),
      ('item_embeddings', 'the folder of that stage'),
      ('catalog', 'the folder of that stage, which they were made from'),
      ('output', 'the SID table to write, such as sid_table.parquet'),
  ):
    parser.add_argument(f'--{name}', required=True, metavar='PATH', help=text)
  parser.add_argument(
      '--collisions',
      choices=collisions.KINDS,
      default=collisions.DISAMBIGUATION,
      help='how items with the same codes are told apart',
  )
  parser.add_argument(
      '--disambiguation_size',
      type=int,
      help='room of the disambiguation code; by default twice what is needed',
  )
  return parser


if __name__ == '__main__':
  main()
