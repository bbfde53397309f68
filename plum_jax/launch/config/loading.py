# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""From gin files and flags to a stage that is ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import importlib
import io
from typing import Any

import gin

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import checks
from plum_jax.launch.config import files
from plum_jax.launch.config import functions
from plum_jax.launch.config import macros as macro_checks
from plum_jax.launch.config import statements
from plum_jax.launch.config import value_types


@dataclasses.dataclass(frozen=True)
class Arguments:
  """What the command line says.

  Attributes:
    gin_files: experiment files, in order.
    bindings: `NAME=value`, in order; they come after the files.
    search_paths: folders that names of gin files start from.
  """

  gin_files: Sequence[str] = ()
  bindings: Sequence[str] = ()
  search_paths: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Sources:
  """All that was said about a stage, read and checked without importing it.

  Attributes:
    files: in the order in which they bind.
    flags: bindings from the command line.
    defaults: what base files give to each macro.
  """

  files: tuple[statements.GinFile, ...]
  flags: tuple[statements.Binding, ...]
  defaults: macro_checks.Macros

  @property
  def macros(self) -> macro_checks.Macros:
    """What each macro stands for in the end."""
    bindings = [one for file in self.files for one in file.bindings]
    return macro_checks.defined([*bindings, *self.flags])

  def macro(self, name: str) -> Any:
    """Returns what a macro stands for.

    Raises:
      InputError: it has no value here.
    """
    macros = self.macros
    reference = statements.MacroReference(name)
    value = macro_checks.substitute(reference, macros)
    if isinstance(value, value_types.Produced):
      raise InputError(
          f'{name} has no value.',
          where=macros[name].where if name in macros else 'the base file',
          expected='a value in the experiment file or a flag',
          fix=f'--gin.{name}=VALUE, or {name} = VALUE in the file.',
      )
    return value


def read(stage: str, arguments: Arguments) -> Sources:
  """Reads a stage's base file, experiment files and flags.

  Args:
    stage: the base file is `gin/runs/<stage>.gin`.
    arguments: the command line.

  Returns:
    What they say; names and types of macros are checked.

  Raises:
    InputError: a file is missing or is not gin, a macro is misspelt or of the
      wrong type, a parameter is bound twice in a file.
  """
  search_roots = files.roots(arguments.search_paths)
  defaults = macro_checks.known(search_roots)
  base = files.find_base(stage, search_roots)
  leaves = [files.find_file(name, search_roots) for name in arguments.gin_files]
  ordered = files.collect([base, *leaves], search_roots)
  flags = [_flag(argument, defaults) for argument in arguments.bindings]
  for file in ordered:
    checks.check_duplicates(file)
  bases = {path.resolve() for path in files.base_files(search_roots)}
  said = [
      binding
      for file in ordered
      if file.path.resolve() not in bases
      for binding in file.bindings
  ] + flags
  everything = [one for file in ordered for one in file.bindings] + flags
  macro_checks.check_names(said, defaults, everything)
  sources = Sources(tuple(ordered), tuple(flags), defaults)
  macro_checks.check_types(said, defaults, sources.macros)
  return sources


def _flag(argument: str, defaults: macro_checks.Macros) -> statements.Binding:
  """Reads one `NAME=value`; unquoted text is fine where text is expected."""
  default = defaults.get(argument.partition('=')[0])
  text_allowed = (
      default is None
      or default.value is None
      or isinstance(default.value, str)
      or macro_checks.is_required(default.value)
  )
  return statements.parse_command_line(argument, text_allowed=text_allowed)


class Config:
  """A stage's function with all its parameters, checked.

  gin has one global configuration: `activate` makes it this one.
  """

  def __init__(
      self,
      sources: Sources,
      function: functions.Function,
      placed: Sequence[checks.Placed],
      flags: Sequence[checks.Placed],
  ):
    """See `load`."""
    self._sources, self._function = sources, function
    self._placed, self._flags = placed, flags

  @property
  def named(self) -> list[functions.Function]:
    """The functions that the files name."""
    return [self._function, *checks.named(self._placed)]

  @property
  def used(self) -> list[functions.Function]:
    """The functions that the stage can come to call."""
    placed = [*self._placed, *self._flags]
    return checks.reachable(self._function, placed, self._sources.macros)[1]

  @property
  def bound(self) -> list[checks.Placed]:
    """The parameters that the files bind."""
    return [one for one in self._placed if one.function]

  def macro(self, name: str) -> Any:
    """Returns what a macro stands for; see `Sources.macro`."""
    return self._sources.macro(name)

  def activate(self) -> Callable[[], Any]:
    """Hands the configuration to gin.

    Returns:
      The stage's function; called without arguments, it gets its parameters.

    Raises:
      InputError: gin finds what the checks did not.
    """
    gin.clear_config()
    try:
      for file in self._sources.files:
        gin.parse_config(_without_includes(file))
      for one in self._flags:
        value = _flag_value(one)
        if one.function:
          key = (
              one.binding.scope,
              one.function.selector,
              one.binding.parameter,
          )
        else:
          key = (one.binding.name, 'gin.macro', 'value')
        gin.bind_parameter(key, value)
      gin.finalize()
      return gin.get_configurable(self._function.target)
    except (ValueError, TypeError, LookupError, NameError) as error:
      raise InputError(
          f'gin refuses the configuration: {str(error).splitlines()[0]}',
          where=', '.join(str(file.path) for file in self._sources.files),
          expected='bindings of functions that the files import',
          fix='Correct the binding.',
      ) from error


def load(stage: str, function: str, arguments: Arguments) -> Config:
  """Reads, imports and checks all that a stage is configured with.

  Flags that bind a parameter of a function that no file names are left out;
  see `check_flags`.

  Args:
    stage: the base file is `gin/runs/<stage>.gin`.
    function: the stage's function, as `package.module.function`.
    arguments: the command line.

  Returns:
    The configuration, ready to activate.

  Raises:
    InputError: something is misspelt, missing, ambiguous or of a wrong type.
  """
  sources = read(stage, arguments)
  module, _, name = function.rpartition('.')
  target = getattr(importlib.import_module(module), name)
  placed = [one for file in sources.files for one in checks.place(file)]
  start = functions.describe(function, target)
  known = [start, *checks.named(placed)]
  flags = [
      one
      for one in (checks.place_flag(flag, known) for flag in sources.flags)
      if one is not None
  ]
  everything = [*placed, *flags]
  macros = sources.macros
  checks.check_scopes(everything)
  checks.check_values(everything, macros)
  checks.check_given(start, everything, macros)
  config = Config(sources, start, placed, flags)
  config.activate()
  return config


def check_flags(arguments: Arguments, configs: Sequence[Config]) -> None:
  """Refuses flags that no stage has a function for.

  Args:
    arguments: the command line.
    configs: the stages that are about to run.

  Raises:
    InputError: there is such a flag.
  """
  known = [function for config in configs for function in config.named]
  for argument in arguments.bindings:
    flag = statements.parse_command_line(argument, text_allowed=True)
    names = [function.selector for function in known]
    if not flag.is_macro and not any(
        ('.' + name).endswith('.' + flag.selector) for name in names
    ):
      raise checks.unknown_function(flag.selector, known, flag.where)


def operative_text() -> str:
  """Writes what the last calls used, as a gin file that can be run again."""
  return gin.operative_config_str()


def original(error: BaseException) -> BaseException:
  """Returns the error that a gin-configured function raised.

  gin raises a look-alike with its own text added, which loses, for example,
  the number of an OSError.
  """
  while (
      error.__suppress_context__
      and error.__context__ is not None
      and type(error).__bases__ == (type(error.__context__),)
  ):
    error = error.__context__
  return error


def _without_includes(file: statements.GinFile) -> io.StringIO:
  """Returns the file for gin: includes are already read, lines stay."""
  lines = file.text.splitlines(keepends=True)
  for include in file.includes:
    lines[include.where.line - 1] = '\n'
  readable = io.StringIO(''.join(lines))
  readable.name = str(file.path)  # pyrefly: ignore[missing-attribute]
  return readable


def _flag_value(one: checks.Placed) -> Any:
  """Returns a flag's value with gin's references in it."""
  value = one.binding.value
  leaves = list(statements.flatten(value))
  if any(
      isinstance(leaf, statements.MacroReference | statements.FunctionReference)
      for leaf in leaves
  ):
    return gin.config.parse_value(one.binding.text)
  return value
