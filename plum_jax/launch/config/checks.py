# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Functions, scopes and parameters of a configuration, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import files
from plum_jax.launch.config import functions
from plum_jax.launch.config import macros as macro_checks
from plum_jax.launch.config import statements
from plum_jax.launch.config import value_types


@dataclasses.dataclass(frozen=True)
class Placed:
  """A binding, and the functions that it names.

  Attributes:
    binding: what is bound.
    function: the function whose parameter it is; None for a macro.
    references: the function of each reference in the value, by selector.
  """

  binding: statements.Binding
  function: functions.Function | None
  references: dict[str, functions.Function]


def check_duplicates(file: statements.GinFile) -> None:
  """Finds a second binding of a parameter in a file; gin takes the last.

  Raises:
    InputError: there is one.
  """
  first: dict[tuple[str, str, str], statements.Binding] = {}
  for binding in file.bindings:
    key = (
        binding.scope,
        file.full_selector(binding.selector),
        binding.parameter,
    )
    if key in first:
      raise InputError(
          f'{binding.name} is bound a second time.',
          where=binding.where,
          expected=f'one binding; the first is in line {first[key].where.line}',
          fix='Remove one of the two.',
      )
    first[key] = binding


def _references(value: Any) -> list[statements.FunctionReference]:
  return [
      leaf
      for leaf in statements.flatten(value)
      if isinstance(leaf, statements.FunctionReference)
  ]


def place(file: statements.GinFile) -> list[Placed]:
  """Resolves all functions that a file names.

  Raises:
    InputError: a module, function or parameter does not exist.
  """
  for statement in file.imports:
    functions.import_module(statement)
  placed = []
  for binding in file.bindings:
    function = None
    if not binding.is_macro:
      function = functions.resolve(file, binding.selector, binding.where)
      function.check_parameter(binding.parameter, binding.where)
    references = {
        reference.selector: functions.resolve(
            file, reference.selector, binding.where
        )
        for reference in _references(binding.value)
    }
    placed.append(Placed(binding, function, references))
  return placed


def named(placed: Iterable[Placed]) -> list[functions.Function]:
  """Lists the functions that files bind or refer to."""
  found = []
  for one in placed:
    found += [one.function] if one.function else []
    found += one.references.values()
  return found


def place_flag(
    binding: statements.Binding, known: Sequence[functions.Function]
) -> Placed | None:
  """Resolves what a flag `--gin.function.parameter=value` names.

  Args:
    binding: the flag.
    known: what the files name.

  Returns:
    The flag with its functions; None if no file names the function whose
    parameter it binds.

  Raises:
    InputError: the name is ambiguous, the parameter or a function in the value
      does not exist.
  """
  function = None
  if not binding.is_macro:
    function = functions.match(binding.selector, known, binding.where)
    if function is None:
      return None
    function.check_parameter(binding.parameter, binding.where)
  references = {}
  for reference in _references(binding.value):
    found = functions.match(reference.selector, known, binding.where)
    if found is None:
      raise unknown_function(reference.selector, known, binding.where)
    references[reference.selector] = found
  return Placed(binding, function, references)


def unknown_function(
    selector: str, known: Iterable[functions.Function], where: object
) -> InputError:
  """Says that no file names a function."""
  names = {function.selector for function in known}
  short = {name.rpartition('.')[2] for name in names}
  return InputError(
      f'No gin file names a function {selector}.',
      where=where,
      expected=files.close_names(selector.rpartition('.')[2], short),
      fix='Correct the name, or bind it in a gin file that imports its module.',
  )


def check_scopes(placed: Sequence[Placed]) -> None:
  """Finds bindings in scopes that nothing enters: misspelt ones.

  Raises:
    InputError: no reference `@scope/function` has the scope.
  """
  entered = set()
  for one in placed:
    references = _references(one.binding.value)
    for reference in references:
      entered.update(reference.scope.split('/'))
    # gin evaluates what a macro stands for in a scope of the macro's name.
    if references and one.binding.is_macro:
      entered.update(one.binding.name.split('/'))
  entered.discard('')
  for one in placed:
    for scope in one.binding.scope.split('/'):
      if one.function and scope and scope not in entered:
        raise InputError(
            f'Nothing is called in the scope {scope!r}, so '
            f'{one.binding.name} would have no effect.',
            where=one.binding.where,
            expected=files.close_names(scope, entered),
            fix=f'Correct the scope, or refer to @{scope}/... somewhere.',
        )


def check_values(placed: Sequence[Placed], macros: macro_checks.Macros) -> None:
  """Finds values of another type than the parameter's annotation.

  Raises:
    InputError: there is one.
  """
  holding = {
      one.binding.name: one
      for one in placed
      if macros.get(one.binding.name) is one.binding
  }
  for one in placed:
    if one.function is None:
      continue
    binding = one.binding
    hint = one.function.hints.get(binding.parameter, Any)
    value = _typed(one, macros, holding)
    if value_types.fits(value, hint):
      continue
    at = binding.where
    if isinstance(binding.value, statements.MacroReference):
      at = f'{macros[binding.value.name].where}; used in {binding.where}'
    raise InputError(
        f'{one.function.selector}.{binding.parameter} is of the wrong type: '
        f'{value!r}.',
        where=at,
        expected=value_types.describe(hint),
        fix='Numbers stand without quotes, text with; tuples in round '
        'brackets.',
    )


def _typed(
    one: Placed, macros: macro_checks.Macros, holding: Mapping[str, Placed]
) -> Any:
  """Substitutes macros, and says of a function what it makes."""
  value = one.binding.value
  substituted = macro_checks.substitute(value, macros)
  while isinstance(value, statements.MacroReference) and value.name in holding:
    one = holding[value.name]
    value = one.binding.value
  if not isinstance(value, statements.FunctionReference):
    return substituted
  function = one.references[value.selector]
  if value.evaluate:
    return value_types.Produced(function.makes)
  return function.target


def reachable(
    start: functions.Function,
    placed: Sequence[Placed],
    macros: macro_checks.Macros,
) -> tuple[set[str], list[functions.Function]]:
  """Follows references from a stage's function.

  Args:
    start: the stage's function.
    placed: all bindings.
    macros: what holds in the end.

  Returns:
    The names of the macros, and the functions, that the stage uses. A function
    comes again for each reference.
  """
  by_target: dict[Any, list[Placed]] = {}
  by_macro: dict[str, Placed] = {}
  for one in placed:
    if one.function:
      by_target.setdefault(one.function.target, []).append(one)
    elif macros[one.binding.name] is one.binding:
      by_macro[one.binding.name] = one
  names: set[str] = set()
  used = [start]
  seen = {start.target}
  todo = list(by_target.get(start.target, []))
  while todo:
    one = todo.pop()
    for reference in macro_checks.references(one.binding.value):
      if reference.name not in names and reference.name in by_macro:
        todo.append(by_macro[reference.name])
      names.add(reference.name)
    for function in one.references.values():
      used.append(function)
      if function.target not in seen:
        seen.add(function.target)
        todo += by_target.get(function.target, [])
  return names, used


def check_given(
    start: functions.Function,
    placed: Sequence[Placed],
    macros: macro_checks.Macros,
) -> None:
  """Finds values that a stage needs and nobody gave.

  Raises:
    InputError: a macro that is used is undefined or `%gin.REQUIRED`, or a
      parameter without default is not bound.
  """
  names, _ = reachable(start, placed, macros)
  for name in sorted(names):
    if name in macros and not macro_checks.is_required(macros[name].value):
      continue
    raise InputError(
        f'{name} has no value.',
        where=macros[name].where if name in macros else start.selector,
        expected='a value in the experiment file or a flag',
        fix=f'--gin.{name}=VALUE, or {name} = VALUE in the file.',
    )
  bound: dict[Any, set[str]] = {}
  called = [(start, start.selector)]
  for one in placed:
    if one.function:
      bound.setdefault(one.function.target, set()).add(one.binding.parameter)
    called += [
        (one.references[reference.selector], one.binding.where)
        for reference in _references(one.binding.value)
        if reference.evaluate
    ]
  for function, where in called:
    missing = function.required - bound.get(function.target, set())
    if missing:
      raise InputError(
          f'{function.selector} needs {", ".join(sorted(missing))}.',
          where=where,
          expected='a binding for each parameter without a default',
          fix=f'Bind {function.selector}.{min(missing)} in the file.',
      )
