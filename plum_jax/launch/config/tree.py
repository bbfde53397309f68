# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A whole folder `gin/`, checked as a test of a project does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import contextlib
import importlib
import pathlib
import sys
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import checks
from plum_jax.launch.config import files
from plum_jax.launch.config import functions
from plum_jax.launch.config import loading
from plum_jax.launch.config import macros
from plum_jax.launch.config import statements

MAX_LEAF_LINES = 25
# Programs of T5X, which are `__main__` to the files they are given.
_T5X_PROGRAMS = {'eval': 't5x.eval', 'infer': 't5x.infer'}
_T5X_TRAINER = 't5x.train'
_HEADINGS = ('Command:', 'Hardware:', 'Time:', 'Metric:')


def check(
    root: pathlib.Path, stages: Mapping[str, str], *, t5x: bool
) -> list[InputError]:
  """Checks every file under `gin/`.

  All files are read and their functions, parameters, types and includes
  checked; every experiment is configured for every stage; every macro that a
  base file or a catalog's file defines must be used, and every parameter that
  an experiment binds must be one that some stage uses.

  Args:
    root: the folder that `gin/` is in.
    stages: the function of each stage, by name.
    t5x: whether T5X can be imported. If not, files of `gin/t5x` are read, and
      their functions are taken on trust.

  Returns:
    What is wrong, an error for each; empty if nothing is.
  """
  paths = sorted((root / 'gin').rglob('*.gin'))
  leaves = [path for path in paths if path.parent.name == 'experiments']
  found: list[InputError] = []
  for path in paths:
    trusted = path.parent.name == 't5x' and not t5x
    found += _errors(lambda p=path, t=trusted: _check_file(p, root, trusted=t))
  found += _errors(lambda: _check_used_macros(paths))
  for leaf in leaves:
    found += _errors(lambda p=leaf: _check_leaf_form(p, root))
    found += _errors(lambda p=leaf: _check_experiment(p, root, stages))
  return found


def _errors(work: Callable[[], Any]) -> Iterator[InputError]:
  try:
    work()
  except InputError as error:
    yield error


def _check_file(path: pathlib.Path, root: pathlib.Path, trusted: bool) -> None:
  """Checks a file and what it includes, by themselves."""
  search_roots = files.roots([str(root)])
  ordered = [statements.read(path)]
  if not trusted:
    ordered = files.collect(ordered, search_roots)
  for file in ordered:
    checks.check_duplicates(file)
  if trusted:
    return
  with _running_for(path):
    placed = [one for file in ordered for one in checks.place(file)]
  defaults = macros.known(search_roots)
  bindings = [one for file in ordered for one in file.bindings]
  holding = {**defaults, **macros.defined(bindings)}
  macros.check_types(bindings, defaults, holding)
  checks.check_values(placed, holding)


@contextlib.contextmanager
def _running_for(path: pathlib.Path) -> Iterator[None]:
  """Puts the program of T5X that reads a file in the place of `__main__`."""
  if path.parent.name != 't5x':
    yield
    return
  program = _T5X_PROGRAMS.get(path.stem, _T5X_TRAINER)
  own = sys.modules['__main__']
  sys.modules['__main__'] = importlib.import_module(program)
  try:
    yield
  finally:
    sys.modules['__main__'] = own


def _check_used_macros(paths: list[pathlib.Path]) -> None:
  """Finds macros of base files and catalogs' that no file uses."""
  read = [statements.read(path) for path in paths]
  used = {
      reference.name
      for file in read
      for binding in file.bindings
      for reference in macros.references(binding.value)
  }
  for file in read:
    for binding in file.bindings:
      if (
          file.path.parent.name in ('runs', 't5x', 'catalogs')
          and binding.is_macro
          and binding.name not in used
      ):
        raise InputError(
            f'Nothing uses the macro {binding.name}.',
            where=binding.where,
            expected=files.close_names(binding.name, used),
            fix='Correct the name, or remove the macro.',
        )


def _check_leaf_form(path: pathlib.Path, root: pathlib.Path) -> None:
  """An experiment is short, and opens with how it is run and what comes out."""
  lines = path.read_text(encoding='utf-8').splitlines()
  if len(lines) > MAX_LEAF_LINES:
    raise InputError(
        f'The experiment has {len(lines)} lines.',
        where=path,
        expected=f'at most {MAX_LEAF_LINES}',
        fix='Move what others share to gin/models or gin/runs.',
    )
  comment = []
  for line in lines:
    if not line.startswith('#'):
      break
    comment.append(line)
  opening = '\n'.join(comment)
  name = path.relative_to(root).as_posix()
  missing = [one for one in _HEADINGS if one not in opening]
  if name not in opening and 'make ' not in opening:
    missing.append(name)
  if missing:
    raise InputError(
        f'The opening comment lacks {", ".join(missing)}',
        where=path,
        expected=f'# {" ... # ".join(_HEADINGS)}, the command by make or '
        f'with {name}',
        fix='Say how the experiment is run, on what, how long it takes, and '
        'what to expect of it.',
    )


def _check_experiment(
    path: pathlib.Path, root: pathlib.Path, stages: Mapping[str, str]
) -> None:
  """Configures an experiment for every stage."""
  arguments = loading.Arguments(gin_files=[str(path)], search_paths=[str(root)])
  configs = [
      loading.load(stage, function, arguments)
      for stage, function in stages.items()
  ]
  used = {function.target for config in configs for function in config.used}
  # A base file may bind alternatives, of which an experiment uses one.
  base = root / 'gin' / 'runs'
  for config in configs:
    for one in config.bound:
      if (
          one.function is not None
          and one.function.target not in used
          and not pathlib.Path(one.binding.where.file).is_relative_to(base)
      ):
        raise _no_effect(one.function, one.binding)


def _no_effect(
    function: functions.Function, binding: statements.Binding
) -> InputError:
  return InputError(
      f'No stage uses {function.selector}: {binding.name} has no effect.',
      where=binding.where,
      expected='a function that a base file refers to',
      fix='Bind a function that is used, or refer to this one.',
  )
