# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which parameters are trained; the others stay as they are, for nothing.

What is frozen has no gradient and no state of the optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
import re
from typing import Any

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError


def split(params: Any, patterns: Sequence[str]) -> tuple[Any, Any]:
  """Takes parameters apart.

  Args:
    params: nested dictionaries of arrays, or of what stands for them.
    patterns: regular expressions; parameters whose name one of them finds are
      trained. None at all means that all are.

  Returns:
    What is trained, and what is frozen.

  Raises:
    InputError: an expression finds no parameter.

  >>> params = {'mlp': {'kernel': 1, 'kernel_lora_a': 2}, 'embedding': 3}
  >>> split(params, ['_lora_', 'embedding'])
  ({'embedding': 3, 'mlp': {'kernel_lora_a': 2}}, {'mlp': {'kernel': 1}})
  """
  if not patterns:
    return params, {}
  flat = trees.to_flat(params)
  for pattern in patterns:
    if not any(re.search(pattern, name) for name in flat):
      raise InputError(
          f'No parameter is named like {pattern!r}.',
          where='TrainConfig.trainable',
          expected=f'an expression that finds one of {", ".join([*flat][:8])} '
          '…',
          fix='Correct the expression or remove it.',
      )
  parts: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
  for name, leaf in flat.items():
    is_trained = any(re.search(pattern, name) for pattern in patterns)
    parts[0 if is_trained else 1][name] = leaf
  return trees.nest(parts[0]), trees.nest(parts[1])


def join(trained: Any, frozen: Any) -> Any:
  """Puts together what `split` took apart.

  >>> join({'mlp': {'kernel_lora_a': 2}}, {'mlp': {'kernel': 1}})
  {'mlp': {'kernel_lora_a': 2, 'kernel': 1}}
  """
  if not frozen:
    return trained
  return trees.nest(trees.to_flat(trained) | trees.to_flat(frozen))
