# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Examples of a task as people read them: texts, token ids, what was cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import re
from typing import Any

import numpy as np
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.data import tensorflow_runtime

_WIDTH = 80
# A whole Semantic ID, another token in angle brackets, or a word.
_ATOM = re.compile(
    r'\s*(?:<sid_1_\d+>(?:<sid_(?!1_)\d+_\d+>)*|<[^<>\s]*>|[^\s<]+|<)'
)
_NUM_LEFT_OUT = 'num_left_out'


def texts(
    task: str,
    split: str,
    sequence_length: Mapping[str, int],
    *,
    num_examples: int,
    seed: int,
) -> Iterator[str]:
  """Writes examples of a task, or of each task of a mixture.

  Args:
    task: name of a registered task or mixture.
    split: of its examples.
    sequence_length: tokens by task feature, as in training.
    num_examples: of each task.
    seed: of which examples, and of all that is drawn.

  Yields:
    A text of some lines for each task.

  Raises:
    InputError: there is no such task, or none with this split.
  """
  tensorflow_runtime.keep_off_accelerators()
  tasks = _tasks(task)
  with_split = [one for one in tasks if split in one.splits]
  if not with_split:
    raise InputError(
        f'There is no split {split!r}.',
        where=task,
        expected='one of '
        + ', '.join(sorted({name for one in tasks for name in one.splits})),
        fix='Correct EXAMPLES_SPLIT.',
    )
  for one in with_split:
    dataset = one.get_dataset(
        sequence_length,
        split=split,
        shuffle=True,
        seed=seed,
        num_epochs=1,
        trim_output_features=False,
    )
    parts = [f'{one.name}, split {split}']
    for number, example in enumerate(
        dataset.take(num_examples).as_numpy_iterator()
    ):
      parts.append(f'\nExample {number + 1}')
      parts += _lines(example, one.output_features, sequence_length)
    yield '\n'.join(parts)


def _tasks(name: str) -> list[Any]:
  """Returns a task, or the tasks of a mixture."""
  try:
    found = seqio.get_mixture_or_task(name)
  except ValueError as error:
    raise InputError(
        f'No task or mixture {name!r} is registered.',
        where='EXAMPLES_TASK',
        expected='what a function of tasks/ returns',
        fix='Name such a function, as in "@auxiliary.mim()".',
    ) from error
  return list(found.tasks) if isinstance(found, seqio.Mixture) else [found]


def _lines(
    example: Mapping[str, np.ndarray],
    features: Mapping[str, Any],
    sequence_length: Mapping[str, int],
) -> Iterator[str]:
  """Writes one example."""
  for name, feature in features.items():
    tokens = example[name]
    if tokens.ndim != 1:
      continue
    ids = tokens.tolist()
    length = sequence_length.get(name)
    limit = '' if length is None else f' of {length}'
    cut = _cut(name, ids, length, example)
    yield f'  {name}, {len(ids)}{limit} tokens{cut}'
    yield _indented(feature.vocabulary.decode(ids))
    yield _indented(' '.join(map(str, ids)))
  numbers = [
      f'{name} {value.tolist()}'
      for name, value in sorted(example.items())
      if value.ndim == 0 and name != _NUM_LEFT_OUT
  ]
  if numbers:
    yield _indented(', '.join(numbers), '  ')


def _cut(
    name: str,
    ids: list[int],
    length: int | None,
    example: Mapping[str, np.ndarray],
) -> str:
  """Says what of a feature does not reach the model."""
  if length is not None and len(ids) > length:
    return f'; the last {len(ids) - length} will be cut'
  left_out = int(example.get(_NUM_LEFT_OUT, np.int32(0)))
  if name == 'inputs' and left_out:
    return f'; the oldest {left_out} items of the history are left out'
  return ''


def _indented(text: str, indent: str = '    ') -> str:
  """Lays text out in lines, between words and between Semantic IDs."""
  lines = ['']
  for atom in _ATOM.findall(text):
    if lines[-1] and len(indent + lines[-1] + atom) > _WIDTH:
      lines.append('')
    lines[-1] += atom if lines[-1] else atom.lstrip()
  return '\n'.join(indent + line for line in lines)
