# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether a value from a gin file fits a parameter's annotation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
import inspect
import types
import typing
from typing import Any

_SEQUENCES = (Sequence, Collection, Iterable)


class Produced:
  """What `@function()` returns, or `@function` itself, seen from outside.

  Attributes:
    annotation: the class that is constructed, or the return annotation; Any
      where nothing is known.
  """

  def __init__(self, annotation: Any):
    self.annotation = annotation

  def __repr__(self) -> str:
    return f'what makes {describe(self.annotation)}'


def fits(value: Any, annotation: Any) -> bool:
  """Whether a value is of an annotated type; True where that is unknowable.

  Stricter than Python where gin misleads: `True` is no int, `'10'` is no int, a
  list is no tuple. An int is a float.

  Args:
    value: literals in lists, tuples and dictionaries; `Produced` stands for
      what a function returns.
    annotation: an evaluated type annotation.

  Returns:
    Whether it fits.

  >>> fits('10', int), fits(True, int), fits(1, float | None)
  (False, False, True)
  >>> fits({'inputs': 64}, Mapping[str, int]), fits([1], tuple[int, ...])
  (True, False)
  """
  if annotation in (Any, object, inspect.Parameter.empty):
    return True
  if annotation is None or annotation is types.NoneType:
    return value is None
  origin = typing.get_origin(annotation)
  arguments = typing.get_args(annotation)
  if origin in (typing.Union, types.UnionType):
    return any(fits(value, argument) for argument in arguments)
  if origin is typing.Annotated:
    return fits(value, arguments[0])
  if isinstance(value, Produced):
    return _produced_fits(value, origin or annotation)
  if origin is typing.Literal:
    return any(type(value) is type(a) and value == a for a in arguments)
  return _literal_fits(value, origin or annotation, arguments)


def _literal_fits(value: Any, kind: Any, arguments: tuple[Any, ...]) -> bool:
  """`fits` for a value that was written out and an annotation `kind[...]`."""
  if kind is bool or isinstance(value, bool):
    return type(value) is bool and kind is bool
  if kind is float:
    return isinstance(value, int | float)
  if kind is tuple:
    return isinstance(value, tuple) and _elements_fit(value, arguments)
  if kind is list:
    return isinstance(value, list) and _all_fit(value, arguments)
  if kind in _SEQUENCES:
    return isinstance(value, list | tuple) and _all_fit(value, arguments)
  if kind in (dict, Mapping):
    if not isinstance(value, dict):
      return False
    return not arguments or (
        _all_fit(value, arguments[:1])
        and _all_fit(value.values(), arguments[1:])
    )
  if not isinstance(kind, type):  # A TypeVar, a ParamSpec, a string.
    return True
  try:
    return isinstance(value, kind)
  except TypeError:  # A Protocol that cannot be checked at run time.
    return True


def _elements_fit(value: tuple[Any, ...], arguments: tuple[Any, ...]) -> bool:
  if len(arguments) == 2 and arguments[1] is Ellipsis:
    return _all_fit(value, arguments[:1])
  if not arguments:
    return True
  return len(value) == len(arguments) and all(map(fits, value, arguments))


def _all_fit(values: Iterable[Any], arguments: tuple[Any, ...]) -> bool:
  return not arguments or all(fits(value, arguments[0]) for value in values)


def _produced_fits(value: Produced, kind: Any) -> bool:
  """Whether what a function makes can be of a type, as far as annotated."""
  made = value.annotation
  made = typing.get_origin(made) or made
  if kind in (Callable, type) or made in (Any, inspect.Parameter.empty):
    return True
  if not (isinstance(made, type) and isinstance(kind, type)):
    return True
  if getattr(kind, '_is_protocol', False):
    return True
  return issubclass(made, kind)


def describe(annotation: Any) -> str:
  """Writes an annotation as in source code.

  >>> describe(int | None), describe(Mapping[str, int])
  ('int | None', 'Mapping[str, int]')
  """
  if annotation is inspect.Parameter.empty:
    return 'anything'
  if annotation is types.NoneType:
    return 'None'
  if isinstance(annotation, type) and not typing.get_args(annotation):
    return annotation.__name__
  text = str(annotation)
  for module in ('collections.abc.', 'typing.'):
    text = text.replace(module, '')
  return text


def of_default(value: Any) -> Any:
  """Returns the type that a macro's default gives it.

  Args:
    value: the default; no references in it.

  Returns:
    An annotation; Any for None, for an empty container and for mixed elements.

  >>> describe(of_default((1, 2))), describe(of_default({'inputs': 64}))
  ('Sequence[int]', 'Mapping[str, int]')
  """
  if value is None or isinstance(value, Produced):
    return Any
  if isinstance(value, list | tuple):
    return types.GenericAlias(Sequence, (_common(value),))
  if isinstance(value, dict):
    return types.GenericAlias(
        Mapping, (_common(value), _common(value.values()))
    )
  return type(value)


def _common(values: Iterable[Any]) -> Any:
  kinds = {describe(kind): kind for kind in map(of_default, values)}
  return next(iter(kinds.values())) if len(kinds) == 1 else Any
