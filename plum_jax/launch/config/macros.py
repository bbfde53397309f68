# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Macros: which there are, what they stand for, of what type they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import pathlib
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.launch.config import files
from plum_jax.launch.config import statements
from plum_jax.launch.config import value_types

Macros = Mapping[str, statements.Binding]


def known(
    search_roots: Sequence[pathlib.Path],
) -> dict[str, statements.Binding]:
  """Reads what all base files define: the macros that there are.

  One experiment file serves every stage and both launchers, so a macro is
  known if any of `gin/runs/*.gin` and `gin/t5x/*.gin` defines it. So is one of
  `gin/catalogs/*.gin`: an experiment uses some of what they say.

  Args:
    search_roots: folders with a folder `gin`; the first to define a macro
      gives its default.

  Returns:
    The defaults by name.

  Raises:
    InputError: two base files of `gin/runs` give a macro different defaults.
  """
  defaults: dict[str, statements.Binding] = {}
  for path in (
      *files.base_files(search_roots),
      *files.catalog_files(search_roots),
  ):
    for binding in statements.read(path).bindings:
      if not binding.is_macro:
        continue
      first = defaults.setdefault(binding.name, binding)
      if (
          pathlib.Path(first.where.file).parent == path.parent
          and path.parent.name == 'runs'
          and first.value != binding.value
      ):
        raise InputError(
            f'{binding.name} has two defaults: {first.value!r} and '
            f'{binding.value!r}.',
            where=f'{first.where} and {binding.where}',
            expected='one default for all stages',
            fix='Define it once, in gin/runs/defaults.gin, and include that.',
        )
  return defaults


def defined(bindings: Iterable[statements.Binding]) -> Macros:
  """Returns the last definition of each macro: the one that holds."""
  return {binding.name: binding for binding in bindings if binding.is_macro}


def references(value: Any) -> list[statements.MacroReference]:
  """Lists the macros in a value."""
  return [
      leaf
      for leaf in statements.flatten(value)
      if isinstance(leaf, statements.MacroReference) and not leaf.required
  ]


def is_required(value: Any) -> bool:
  """Whether a value is `%gin.REQUIRED`."""
  return isinstance(value, statements.MacroReference) and value.required


def check_names(
    bindings: Iterable[statements.Binding],
    defaults: Macros,
    everything: Iterable[statements.Binding],
) -> None:
  """Finds misspelt macros, which gin accepts in silence.

  Args:
    bindings: what experiment files and flags say.
    defaults: see `known`.
    everything: `bindings` and those of the base files. A macro that one of
      them uses is no misspelling.

  Raises:
    InputError: nothing uses or knows a macro, or nothing defines one.
  """
  everything = list(everything)
  used = {
      reference.name
      for binding in everything
      for reference in references(binding.value)
  }
  for binding in bindings:
    if binding.is_macro and binding.name not in used | set(defaults):
      raise InputError(
          f'There is no macro {binding.name}: nothing would use this value.',
          where=binding.where,
          expected=files.close_names(binding.name, defaults),
          fix='Correct the name.',
      )
  here = set(defaults) | set(defined(everything))
  for binding in everything:
    for reference in references(binding.value):
      if reference.name not in here:
        raise InputError(
            f'Nothing defines %{reference.name}.',
            where=binding.where,
            expected=files.close_names(reference.name, here),
            fix='Correct the name, or define it in the base file.',
        )


def check_types(
    bindings: Iterable[statements.Binding], defaults: Macros, macros: Macros
) -> None:
  """Finds macros of another type than their default's.

  None is left to the annotations of what uses the macro.

  Args:
    bindings: what experiment files and flags say.
    defaults: see `known`.
    macros: what holds in the end.

  Raises:
    InputError: `'10'` where the default is 10, and the like.
  """
  for binding in bindings:
    if not binding.is_macro or binding.name not in defaults:
      continue
    default = defaults[binding.name]
    kind = value_types.of_default(substitute(default.value, defaults))
    value = substitute(binding.value, macros)
    if value is not None and not value_types.fits(value, kind):
      raise InputError(
          f'{binding.name} is of the wrong type: {value!r}.',
          where=binding.where,
          expected=f'{value_types.describe(kind)}, like its default '
          f'{default.value!r} ({default.where})',
          fix='Numbers stand without quotes, text with.',
      )


def substitute(value: Any, macros: Macros, within: tuple[str, ...] = ()) -> Any:
  """Puts values in the place of macros.

  Args:
    value: a value with references.
    macros: what they stand for.
    within: names being substituted.

  Returns:
    The value. Functions, and macros that have no value here, are
    `value_types.Produced(Any)`: of unknown type.

  Raises:
    InputError: a macro stands for itself.
  """
  if isinstance(value, dict):
    return {
        substitute(key, macros, within): substitute(one, macros, within)
        for key, one in value.items()
    }
  if isinstance(value, list | tuple):
    return type(value)(substitute(one, macros, within) for one in value)
  if isinstance(value, statements.FunctionReference):
    return value_types.Produced(Any)
  if not isinstance(value, statements.MacroReference):
    return value
  if value.required or value.name not in macros:
    return value_types.Produced(Any)
  if value.name in within:
    raise InputError(
        f'%{value.name} stands for itself.',
        where=macros[value.name].where,
        expected='macros that end in a value',
        fix=f'Give {value.name} a value.',
    )
  inner = macros[value.name].value
  return substitute(inner, macros, (*within, value.name))
