# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a gin file says, read without importing or binding anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import dataclasses
import io
import pathlib
import tokenize
from typing import Any

from gin import config_parser

from plum_jax.artifacts.errors import InputError

COMMAND_LINE = 'command line'
DYNAMIC_REGISTRATION = '__gin__.dynamic_registration'
_GIN_MODULE = '__gin__.'


@dataclasses.dataclass(frozen=True)
class MacroReference:
  """`%NAME`: the value that the macro has in the end."""

  name: str

  @property
  def required(self) -> bool:
    """Whether this is `%gin.REQUIRED`: a value that must be given."""
    return self.name in ('gin.REQUIRED', 'REQUIRED')


@dataclasses.dataclass(frozen=True)
class FunctionReference:
  """`@scope/module.function`, or with `()` what the function returns."""

  scope: str
  selector: str
  evaluate: bool


@dataclasses.dataclass(frozen=True)
class Where:
  """A line of a file, for messages."""

  file: str
  line: int = 0

  def __str__(self) -> str:
    return f'{self.file}, line {self.line}' if self.line else self.file


@dataclasses.dataclass(frozen=True)
class Import:
  """`import a.b` or `from a import b`.

  Attributes:
    module: the module to import, `a.b` in both.
    symbol: the name that it gives to selectors: `a`, `b`, or the alias.
    symbol_module: the module that the symbol stands for: `a`, `a.b`.
    path: what gin registers in the place of the symbol: the same, with the
      alias in the place of the last name.
    where: the line.
  """

  module: str
  symbol: str
  symbol_module: str
  path: str
  where: Where


@dataclasses.dataclass(frozen=True)
class Binding:
  """`NAME = value` or `scope/module.function.parameter = value`.

  Attributes:
    scope: names before the last slash, or ''.
    selector: the function as the file writes it, or the macro's name.
    parameter: the function's parameter; '' for a macro.
    value: the value, with references in it.
    where: the line.
    comment: what stands after `#` on that line.
    text: the value as it was written; only on the command line.
  """

  scope: str
  selector: str
  parameter: str
  value: Any
  where: Where
  comment: str = ''
  text: str = ''

  @property
  def is_macro(self) -> bool:
    """Whether a macro is defined here."""
    return not self.parameter

  @property
  def name(self) -> str:
    """The left-hand side, as written."""
    scoped = f'{self.scope}/{self.selector}' if self.scope else self.selector
    return scoped if self.is_macro else f'{scoped}.{self.parameter}'


@dataclasses.dataclass(frozen=True)
class Include:
  """`include 'gin/models/tiny.gin'`."""

  name: str
  where: Where


@dataclasses.dataclass(frozen=True)
class GinFile:
  """One file's statements, in order.

  Attributes:
    path: the file.
    text: its content.
    imports: modules that it names functions of.
    dynamic_registration: whether selectors go through these imports.
    includes: files whose statements come first.
    bindings: macros and parameters, blocks unfolded.
  """

  path: pathlib.Path
  text: str
  imports: tuple[Import, ...]
  dynamic_registration: bool
  includes: tuple[Include, ...]
  bindings: tuple[Binding, ...]

  def full_selector(self, selector: str) -> str:
    """Returns the name under which gin registers a selector of this file."""
    symbol, *rest = selector.split('.')
    for statement in self.imports:
      if statement.symbol == symbol:
        return '.'.join([statement.path, *rest])
    return selector


class _References(config_parser.ParserDelegate):
  """Keeps references as they are written."""

  def configurable_reference(
      self, scoped_configurable_name: str, evaluate: bool
  ) -> Any:
    scope, _, selector = scoped_configurable_name.rpartition('/')
    return FunctionReference(scope, selector, evaluate)

  def macro(self, macro_name: str) -> Any:
    return MacroReference(macro_name)


def flatten(value: Any) -> Iterator[Any]:
  """Yields a value's leaves: what is no list, tuple or dictionary.

  >>> list(flatten({'a': [1, (2, 3)]}))
  [1, 2, 3]
  """
  if isinstance(value, Mapping):
    for element in value.values():
      yield from flatten(element)
  elif isinstance(value, list | tuple):
    for element in value:
      yield from flatten(element)
  else:
    yield value


def read(path: pathlib.Path) -> GinFile:
  """Reads a gin file.

  Raises:
    InputError: it is not text, not gin, or includes a file after a binding
      that the included file could silently override.
  """
  try:
    text = path.read_text(encoding='utf-8')
  except UnicodeDecodeError as error:
    raise InputError(
        'The gin file is not UTF-8 text.',
        where=path,
        expected='a text file',
        fix='Check that --gin_file and include name gin files.',
    ) from error
  return parse(text, path)


def parse(text: str, path: pathlib.Path) -> GinFile:
  """Splits the content of a gin file into statements; see `read`."""
  imports, includes, bindings = [], [], []
  dynamic_registration = False
  for statement in _statements(text, str(path)):
    where = Where(str(path), statement.location.line_num)
    if isinstance(statement, config_parser.ImportStatement):
      if statement.module == DYNAMIC_REGISTRATION:
        dynamic_registration = True
      elif not statement.module.startswith(_GIN_MODULE):
        imports.append(
            Import(
                module=statement.module,
                symbol=statement.bound_name(),
                symbol_module=(
                    statement.module
                    if statement.is_from or statement.alias
                    else statement.bound_name()
                ),
                path=statement.partial_path(),
                where=where,
            )
        )
    elif isinstance(statement, config_parser.IncludeStatement):
      if bindings:
        raise InputError(
            'The include stands after a binding, which the included file '
            'would silently override.',
            where=where,
            expected='includes before the first binding',
            fix='Move the include up.',
        )
      includes.append(Include(statement.filename, where))
    elif isinstance(statement, config_parser.BindingStatement):
      bindings.append(
          Binding(
              scope=statement.scope,
              selector=statement.selector,
              parameter=statement.arg_name,
              value=statement.value,
              where=where,
              comment=_comment(statement.location.line_content),
          )
      )
  return GinFile(
      path=path,
      text=text,
      imports=tuple(imports),
      dynamic_registration=dynamic_registration,
      includes=tuple(includes),
      bindings=tuple(bindings),
  )


def parse_command_line(argument: str, *, text_allowed: bool) -> Binding:
  """Reads `NAME=value` as it follows `--gin.`.

  Args:
    argument: the name, an equals sign and a gin value.
    text_allowed: take a value that is not gin, such as `runs/mine`, as text.
      A shell eats the quotes of `--gin.RUN_DIR='runs/mine'`.

  Returns:
    The binding.

  Raises:
    InputError: neither gin nor allowed as text.

  >>> parse_command_line('RUN_DIR=runs/mine', text_allowed=True).value
  'runs/mine'
  """
  name, _, text = argument.partition('=')
  where = Where(f'{COMMAND_LINE}, --gin.{argument}')
  quoted = text_allowed and bool(text) and text[0] not in '\'"@%([{'
  try:
    statements = list(_statements(f'{name} = {text}', COMMAND_LINE))
  except InputError:
    if not quoted:
      statements = []
    else:
      statements = list(_statements(f'{name} = {text!r}', COMMAND_LINE))
  if len(statements) != 1 or not isinstance(
      statements[0], config_parser.BindingStatement
  ):
    raise InputError(
        'The flag is not a gin binding.',
        where=where,
        expected='--gin.NAME=value, the value a number, True, False, None, '
        'a quoted text, a list, a tuple, a dictionary, %MACRO or @function',
        fix='Quote text twice, for the shell and for gin: --gin.NAME=\'"text"\''
        '.',
    )
  statement = statements[0]
  return Binding(
      scope=statement.scope,
      selector=statement.selector,
      parameter=statement.arg_name,
      value=statement.value,
      where=where,
      text=text,
  )


def _statements(text: str, name: str) -> Iterator[Any]:
  """Yields gin's own statements, or says in which line it is not gin."""
  file = io.StringIO(text)
  file.name = name  # pyrefly: ignore[missing-attribute]
  try:
    yield from config_parser.ConfigParser(file, _References())
  except (SyntaxError, tokenize.TokenError) as error:
    message, location = error.args[0], error.args[1]
    # gin's Location and tokenize's (file, line, ...) agree on the second
    # field; a TokenError has (line, column).
    line = location[1] if isinstance(error, SyntaxError) else location[0]
    raise InputError(
        f'This is not gin: {str(message).splitlines()[0]}',
        where=Where(name, line),
        expected='NAME = value, module.function.parameter = value, '
        'include, or import; text in quotes',
        fix='Correct the line.',
    ) from error


def _comment(line: str) -> str:
  """Returns what follows `#` on a line of gin, which lexes like Python."""
  try:
    for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
      if token.type == tokenize.COMMENT:
        return token.string.lstrip('# ').strip()
  except tokenize.TokenError:  # The value goes on in the next line.
    pass
  return ''
