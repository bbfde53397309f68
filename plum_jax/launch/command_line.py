# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The flags of all launchers, T5X's names for them, and their help."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
import textwrap

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import files
from plum_jax.launch.config import loading
from plum_jax.launch.config import macros
from plum_jax.launch.config import statements
from plum_jax.launch.stage import Stage

_BINDING = '--gin.'
_WIDTH = 80


def parse(
    argv: Sequence[str], program: str, description: str, stages: Sequence[Stage]
) -> loading.Arguments:
  """Reads the command line; `--help` prints and exits.

  Args:
    argv: the arguments.
    program: the module, for messages.
    description: what it does.
    stages: for the help: what they read, write and are configured by.

  Returns:
    The files and bindings.

  Raises:
    InputError: `--gin.NAME` without a value.
  """
  bindings = []
  rest = []
  for argument in argv:
    if not argument.startswith(_BINDING):
      rest.append(argument)
      continue
    name, equals, _ = argument.removeprefix(_BINDING).partition('=')
    if not equals:
      raise InputError(
          'The flag has no value.',
          where=f'{statements.COMMAND_LINE}, {argument}',
          expected=f'{_BINDING}{name}=VALUE',
          fix='Write an equals sign and the value, without spaces.',
      )
    bindings.append(argument.removeprefix(_BINDING))
  flags = _parser(program, description).parse_args(rest)
  arguments = loading.Arguments(
      gin_files=flags.gin_file,
      bindings=bindings,
      search_paths=[
          path for paths in flags.gin_search_paths for path in paths.split(',')
      ],
  )
  if flags.help:
    print(_parser(program, description).format_help())
    for stage in stages:
      print(stage_help(stage, arguments))
    raise SystemExit(0)
  return arguments


def _parser(program: str, description: str) -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
      prog=f'python -m {program}',
      usage='%(prog)s --gin_file=FILE [--gin.NAME=VALUE ...]',
      description=textwrap.dedent(description),
      epilog='--gin.NAME=VALUE sets a macro (see below), or a parameter by '
      'function.parameter,\nand wins over the files. Lists and text go in one '
      "argument: --gin.NAME='[1, 2]'.\n\nSeveral processes (stage train): "
      '--distributed, or --coordinator_address=HOST:PORT\n--num_processes=N '
      '--process_id=I; see docs/several_hosts.md.',
      formatter_class=argparse.RawDescriptionHelpFormatter,
      add_help=False,
      allow_abbrev=False,
  )
  parser.add_argument(
      '--gin_file',
      action='append',
      default=[],
      metavar='FILE',
      help='an experiment, such as gin/experiments/ml100k_quickstart.gin; '
      'may come again, later files win',
  )
  parser.add_argument(
      '--gin_search_paths',
      action='append',
      default=[],
      metavar='DIR,...',
      help='folders that names of gin files start from',
  )
  parser.add_argument('--help', action='store_true', help='this text')
  return parser


def stage_help(stage: Stage, arguments: loading.Arguments) -> str:
  """Writes what a stage reads and writes, and its macros with values.

  Args:
    stage: the stage.
    arguments: the values shown are those that hold with its files and flags.

  Returns:
    Several lines.
  """
  sources = loading.read(stage.name, arguments)
  lines = [
      f'Stage {stage.name}: {stage.description}',
      f'  reads:  {", ".join(stage.reads) or "nothing of the run"}',
      f'  writes: {", ".join(stage.writes)}',
      '  macros:',
  ]
  base = files.find_base(stage.name, files.roots(arguments.search_paths))
  holding = sources.macros
  for name in _used(base.bindings, holding):
    if name not in holding:
      lines.append(f'    {name}: no default')
      continue
    value = holding[name].value
    text = 'must be given' if macros.is_required(value) else format_value(value)
    default = sources.defaults.get(name)
    comment = default.comment if default else ''
    line = f'    {name} = {text}'
    if comment and len(line) + len(comment) + 4 <= _WIDTH:
      line += f'  # {comment}'
    elif comment:
      line = (
          textwrap.fill(
              comment,
              _WIDTH,
              initial_indent='    # ',
              subsequent_indent='    # ',
          )
          + f'\n{line}'
      )
    lines.append(line)
  return '\n'.join(lines) + '\n'


def _used(
    bindings: Iterable[statements.Binding],
    holding: Mapping[str, statements.Binding],
) -> list[str]:
  """Lists the macros in bindings of parameters, and the macros in these."""
  found: dict[str, None] = {}
  todo = [one.value for one in bindings if not one.is_macro]
  while todo:
    for reference in macros.references(todo.pop(0)):
      if reference.name not in found:
        found[reference.name] = None
        if reference.name in holding:
          todo.append(holding[reference.name].value)
  return list(found)


def format_value(value: object) -> str:
  """Writes a value as a gin file does.

  >>> format_value({'inputs': (1, 'a')}), format_value([None])
  ("{'inputs': (1, 'a')}", '[None]')
  """
  if isinstance(value, statements.MacroReference):
    return f'%{value.name}'
  if isinstance(value, statements.FunctionReference):
    scoped = (
        f'{value.scope}/{value.selector}' if value.scope else value.selector
    )
    return f'@{scoped}{"()" * value.evaluate}'
  if isinstance(value, dict):
    pairs = (f'{format_value(k)}: {format_value(v)}' for k, v in value.items())
    return '{' + ', '.join(pairs) + '}'
  if isinstance(value, list):
    return '[' + ', '.join(map(format_value, value)) + ']'
  if isinstance(value, tuple):
    comma = ',' if len(value) == 1 else ''
    return '(' + ', '.join(map(format_value, value)) + comma + ')'
  return repr(value)
