# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a registered task does, as JSON values for a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import functools
from typing import Any

import seqio


def describe(name: str) -> dict[str, Any]:
  """Describes a task or mixture, so that a changed option is noticed.

  Args:
    name: of a registered task or mixture.

  Returns:
    For a task its source, where it says what that is, its preprocessors with
    their options and its features; for a
    mixture its tasks with their rates.
  """
  provider = seqio.get_mixture_or_task(name)
  if isinstance(provider, seqio.Mixture):
    return {
        'name': name,
        'tasks': {
            task.name: {
                'rate': float(provider.get_rate(task)),
                **describe(task.name),
            }
            for task in provider.tasks
        },
    }
  source = {}
  if hasattr(provider.source, 'describe'):
    source = {'source': provider.source.describe()}
  return {
      'name': name,
      **source,
      'preprocessors': [_describe_call(f) for f in provider.preprocessors],
      'features': {
          feature: {'add_eos': value.add_eos}
          for feature, value in provider.output_features.items()
      },
  }


def _describe_call(function: Callable[..., Any]) -> dict[str, Any]:
  """Names a preprocessor and the options that are bound to it."""
  options: dict[str, Any] = {}
  while isinstance(function, functools.partial):
    options = {**function.keywords, **options}
    function = function.func
  return {
      'name': function.__qualname__,
      'options': {name: _value(option) for name, option in options.items()},
  }


def _value(option: Any) -> Any:
  """Names an option that is no JSON value but says what it holds."""
  if isinstance(option, Mapping):
    return {name: _value(of_option) for name, of_option in option.items()}
  return option.describe() if hasattr(option, 'describe') else option
