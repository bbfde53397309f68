# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows examples of a task as text and as tokens."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib

from plum_jax.artifacts import stage
from plum_jax.data import shown_examples
from plum_jax.data.task_description import describe
from plum_jax.stages.run_directory import RunDirectory

EXAMPLES_FILE = 'examples.txt'


def run(
    run_dir: str,
    task: str,
    task_feature_lengths: Mapping[str, int],
    split: str,
    num_examples: int,
    seed: int,
) -> None:
  """Writes `examples/examples.txt`, and prints it.

  Args:
    run_dir: the run directory.
    task: a task, or a mixture, of which each task is shown.
    task_feature_lengths: tokens by task feature.
    split: of the examples.
    num_examples: of each task.
    seed: of which examples, and of all that is drawn.

  Raises:
    InputError: an artifact is missing; there is no such task or split.
  """
  folders = RunDirectory(run_dir)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    texts = shown_examples.texts(
        task,
        split,
        task_feature_lengths,
        num_examples=num_examples,
        seed=seed,
    )
    (directory / EXAMPLES_FILE).write_text(
        '\n\n'.join(texts) + '\n', encoding='utf-8'
    )

  inputs = {'vocabulary': folders.vocabulary}
  for name in ('tasks', 'general_text'):
    folder = pathlib.Path(run_dir) / name
    if folder.is_dir():
      inputs[name] = folder
  stage.run(
      'show_examples',
      folders.examples,
      make,
      inputs=inputs,
      parameters={
          'task': describe(task),
          'task_feature_lengths': dict(task_feature_lengths),
          'split': split,
          'num_examples': num_examples,
      },
      seed=seed,
  )
  print((folders.examples / EXAMPLES_FILE).read_text(encoding='utf-8'), end='')
