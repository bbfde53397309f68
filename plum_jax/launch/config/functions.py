# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The functions that gin files name: do they exist, what do they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import sys
import typing
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import files
from plum_jax.launch.config import statements

# gin registers a function once, under the first name that a file gives it.
_SELECTORS: dict[Any, str] = {}
_FIX = 'Correct the name, or the import at the top of the file.'


@dataclasses.dataclass(frozen=True)
class Function:
  """A function or class that gin binds parameters of.

  Attributes:
    selector: the name under which gin registers it.
    target: the function or class itself.
    parameters: by name; None if Python cannot tell.
    hints: evaluated annotations by parameter, and `return`.
  """

  selector: str
  target: Any
  parameters: Mapping[str, inspect.Parameter] | None
  hints: Mapping[str, Any]

  @property
  def required(self) -> set[str]:
    """Parameters without a default."""
    return {
        name
        for name, parameter in (self.parameters or {}).items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind
        not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }

  @property
  def makes(self) -> Any:
    """What a call returns, as far as it is annotated."""
    if inspect.isclass(self.target):
      return self.target
    return self.hints.get('return', Any)

  def check_parameter(self, name: str, where: object) -> None:
    """Refuses a parameter that does not exist.

    Raises:
      InputError: the function does not take it.
    """
    if self.parameters is None or name in self.parameters:
      return
    kinds = [parameter.kind for parameter in self.parameters.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
      return
    raise InputError(
        f'{self.selector} has no parameter {name!r}.',
        where=where,
        expected=files.close_names(name, self.parameters),
        fix='Correct the name.',
    )


def resolve(file: statements.GinFile, selector: str, where: object) -> Function:
  """Imports what a selector names.

  Args:
    file: the file, for its imports.
    selector: `module.function`, without a scope.
    where: the line, for messages.

  Returns:
    The function.

  Raises:
    InputError: no such import, module or function.
  """
  symbol, *attributes = selector.split('.')
  imported = [one for one in file.imports if one.symbol == symbol]
  if not imported or not file.dynamic_registration:
    raise InputError(
        f'{selector} is not imported.',
        where=where,
        expected='`from __gin__ import dynamic_registration` and an import '
        f'of the module of {attributes[-1] if attributes else symbol} at the '
        f'top; this file imports '
        f'{files.close_names(symbol, [one.symbol for one in file.imports])}',
        fix=_FIX,
    )
  for statement in imported:
    import_module(statement)
  target: Any = sys.modules[imported[-1].symbol_module]
  for attribute in attributes:
    if not hasattr(target, attribute):
      public = [name for name in dir(target) if not name.startswith('_')]
      raise InputError(
          f'{selector} does not exist: no {attribute!r} there.',
          where=where,
          expected=files.close_names(attribute, public),
          fix=_FIX,
      )
    target = getattr(target, attribute)
  if not callable(target):
    raise InputError(
        f'{selector} is no function.',
        where=where,
        expected='a function or a class',
        fix='Name a function of the module.',
    )
  return describe(file.full_selector(selector), target)


def import_module(statement: statements.Import) -> None:
  """Imports a module for a gin file.

  Raises:
    InputError: there is no such module. What else its import raises is a bug
      of that module and is left as it is.
  """
  try:
    importlib.import_module(statement.module)
  except ModuleNotFoundError as error:
    if error.name is None or not (statement.module + '.').startswith(
        error.name + '.'
    ):
      raise
    parent, _, name = error.name.rpartition('.')
    there = (
        [
            module.name
            for module in pkgutil.iter_modules(sys.modules[parent].__path__)
        ]
        if parent
        else []
    )
    raise InputError(
        f'There is no module {error.name}.',
        where=statement.where,
        expected=files.close_names(name, there)
        if parent
        else 'a module that ' 'is installed or lies in the current folder',
        fix='Correct the name, or install the package that has it.',
    ) from error


def describe(selector: str, target: Any) -> Function:
  """Returns the parameters and annotations of a function or class."""
  try:
    parameters = inspect.signature(target).parameters
  except (ValueError, TypeError):  # Some built-in functions.
    parameters = None
  first = _SELECTORS.setdefault(target, selector)
  return Function(first, target, parameters, _hints(target))


@functools.cache
def _hints(target: Any) -> Mapping[str, Any]:
  """Evaluates annotations; leaves out what only type checkers can see."""
  inner: Any = inspect.unwrap(target)
  if inspect.isclass(inner) and not dataclasses.is_dataclass(inner):
    inner = inner.__init__
  try:
    return typing.get_type_hints(inner)
  except (NameError, AttributeError, TypeError):
    pass
  hints = {}
  owners = inner.__mro__[::-1] if inspect.isclass(inner) else [inner]
  for owner in owners:
    namespace = vars(sys.modules.get(owner.__module__, typing))
    for name, annotation in getattr(owner, '__annotations__', {}).items():
      try:
        one = type('One', (), {'__annotations__': {name: annotation}})
        hints.update(typing.get_type_hints(one, namespace))
      except (NameError, AttributeError, TypeError):
        continue
  return hints


def match(
    selector: str, functions: Iterable[Function], where: object
) -> Function | None:
  """Finds a function by the end of its name, as flags give it.

  Args:
    selector: `train`, `training.train`, ...
    functions: what the files name.
    where: the flag, for messages.

  Returns:
    The one whose full name ends in `selector`, or None.

  Raises:
    InputError: several do.
  """
  found = {
      function.selector: function
      for function in functions
      if ('.' + function.selector).endswith('.' + selector)
  }
  if len(found) > 1 and selector not in found:
    raise InputError(
        f'{selector} is ambiguous.',
        where=where,
        expected=f'one of {", ".join(sorted(found))}',
        fix='Write more of the name.',
    )
  return found.get(selector) or next(iter(found.values()), None)
