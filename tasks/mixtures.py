# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Mixtures of recommendation tasks and auxiliary ones: multi-task training.

"Aligning LLMs with Recommendation Knowledge" (arXiv 2404.00245) mixes auxiliary
tasks in by plain multi-task training, and states no rates: they are our choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plum_jax.artifacts.errors import InputError
from plum_jax.data import mixing
from plum_jax.data import registration


def register(
    dataset: str,
    tasks: Sequence,
    rates: Mapping[str, float],
    *,
    temperature: float = 1.0,
    name: str = 'mixture',
) -> str:
  """Registers `plum_<dataset>_<name>`, in the place of an older one.

  An epoch is a pass over the first task; the others begin again where they end
  before it.

  Args:
    dataset: names the catalog in the mixture's name.
    tasks: what the register functions returned, in lists within the list, if
      that is how they come: an empty list is no task. The first says how long
      an epoch is.
    rates: how the examples of a task come in proportion, by the last part of
      its name, such as `{'retrieval_in_words': 0.5, 'mim': 0.25}`. Those of
      tasks that are not in the mixture do not matter.
    temperature: rates are taken to the power 1 / temperature: rates that are
      numbers of examples, at a temperature above 1, give small tasks more than
      their share (T5, arXiv 1910.10683, section 3.5.2).
    name: the last part of the mixture's name.

  Returns:
    The mixture's name.

  Raises:
    InputError: a task has no rate, or one that is not positive; there is no
      task; the temperature is not positive.
  """
  mixed = registration.task_name(name, dataset)
  if temperature <= 0:
    raise InputError(
        f'The temperature is {temperature}.',
        where=mixed,
        expected='a number above 0',
        fix='Correct it; 1 leaves the rates as they are.',
    )
  found = _flatten(tasks)
  prefix = registration.task_name('', dataset)
  stages = [task.removeprefix(prefix) for task in found]
  missing = [stage for stage in stages if stage not in rates]
  if missing:
    raise InputError(
        f'There is no rate for the task {missing[0]!r}.',
        where=mixed,
        expected=f'a rate for each of {", ".join(stages)}; '
        f'there are some for {", ".join(rates)}',
        fix='Add it to the rates, or correct a name there.',
    )
  if any(rates[stage] <= 0 for stage in stages):
    raise InputError(
        f'A rate is not positive: {dict(rates)}.',
        where=mixed,
        expected='a number above 0 for each task',
        fix='Leave the task out of the list instead.',
    )
  return mixing.add_mixture(
      mixed, found, [rates[stage] ** (1 / temperature) for stage in stages]
  )


def _flatten(tasks: Sequence) -> list[str]:
  """Lists the names in lists of lists."""
  found: list[str] = []
  for task in tasks:
    found += [task] if isinstance(task, str) else _flatten(task)
  return found
