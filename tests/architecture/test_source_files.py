# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files and functions stay short, and are named for what they hold."""

import ast
import pathlib

_ROOT = pathlib.Path(__file__).parents[2]
_MAX_FILE_LINES = 500
_MAX_FUNCTION_LINES = 80  # Without its docstring; 60 is the aim.
_VAGUE = {'util', 'utils', 'common', 'helper', 'helpers', 'misc'}
_LICENCE = (
    '# Copyright 2026 The PLUM-JAX Authors.\n'
    '# SPDX-License-Identifier: Apache-2.0\n'
)


def _files() -> list[pathlib.Path]:
  return [
      path
      for folder in ('plum_jax', 'tasks', 'tests', 'benchmarks')
      for path in sorted((_ROOT / folder).rglob('*.py'))
  ]


def _name(path: pathlib.Path) -> str:
  return path.relative_to(_ROOT).as_posix()


def function_lengths(source: str) -> dict[str, int]:
  """Returns the lines of each function without its docstring."""
  lengths = {}
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
      assert node.end_lineno is not None
      lines = node.end_lineno - node.lineno + 1
      if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        assert docstring.end_lineno is not None
        lines -= docstring.end_lineno - docstring.lineno + 1
      lengths[f'{node.name} (line {node.lineno})'] = lines
  return lengths


def test_function_lengths_leave_out_docstrings():
  source = 'def f():\n  """One\n\n  two."""\n  def g():\n    return 1\n  g()\n'
  assert function_lengths(source) == {'f (line 1)': 4, 'g (line 5)': 2}


def test_files_are_short():
  lengths = {
      _name(path): len(path.read_text(encoding='utf-8').splitlines())
      for path in _files()
  }
  long = {name: n for name, n in lengths.items() if n > _MAX_FILE_LINES}
  assert long == {}


def test_functions_are_short():
  long = [
      f'{_name(path)}: {function} has {lines} lines'
      for path in _files()
      for function, lines in function_lengths(
          path.read_text(encoding='utf-8')
      ).items()
      if lines > _MAX_FUNCTION_LINES
  ]
  assert long == []


def test_files_open_with_licence():
  lacking = [
      _name(path)
      for path in _files()
      if path.name != '__init__.py'
      and not path.read_text(encoding='utf-8').startswith(_LICENCE)
  ]
  assert lacking == []


def test_no_file_or_folder_has_a_vague_name():
  vague = [
      _name(path)
      for path in _files()
      if any(
          _VAGUE & set(part.removesuffix('.py').split('_'))
          for part in path.relative_to(_ROOT).parts
      )
  ]
  assert vague == []
