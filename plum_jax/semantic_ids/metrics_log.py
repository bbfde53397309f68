# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The record of a training: one JSON object per line, in order of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import os
import pathlib

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.semantic_ids import train_step

FILE_NAME = 'metrics.jsonl'


class MetricsLog:
  """Appends lines to a file that always agrees with the checkpoint.

  Attributes:
    path: the file.
  """

  def __init__(self, path: str | os.PathLike[str], step: int):
    """Opens the file, and drops what is later than the checkpoint.

    Args:
      path: the file; made if it is not there.
      step: where training goes on; lines of later steps come again.
    """
    self.path = path = pathlib.Path(path)
    kept = []
    if path.exists():
      lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
      # A kill may have cut the last line short.
      whole = [line for line in lines if line.endswith('\n')]
      kept = [line for line in whole if json.loads(line)['step'] <= step]
    with atomic.write_file(path) as temporary:
      temporary.write_text(''.join(kept), encoding='utf-8')
    self._file = path.open('a', encoding='utf-8')

  def write(self, lines: Sequence[Mapping[str, float]]) -> None:
    """Appends records and hands them to the operating system."""
    for line in lines:
      self._file.write(json.dumps(line) + '\n')
    self._file.flush()

  def __enter__(self) -> MetricsLog:
    return self

  def __exit__(self, *exception: object) -> None:
    self._file.close()


def lines_of_call(
    metrics: train_step.StepMetrics,
    first_step: int,
    group_steps: int,
    epoch_steps: int,
) -> list[dict[str, float]]:
  """Turns the metrics of a call into records.

  Args:
    metrics: with leading dimension `groups`; waits for the device.
    first_step: steps done before the call.
    group_steps: steps per group.
    epoch_steps: steps per epoch.

  Returns:
    One record per group: `step` and `epoch` reached; `loss`, `reconstruction`,
    `quantization` and, where there is one, `contrastive` (before its weight),
    means over the group's items and partners; `resets`, the dead codes
    that were moved; and per level `usage_level_<l>`, the share of codes that
    an item took, and `perplexity_level_<l>`.
  """
  counts = [np.asarray(level) for level in metrics.counts]
  columns: dict[str, np.ndarray] = {
      'loss': np.asarray(metrics.loss),
      'reconstruction': np.asarray(metrics.reconstruction),
      'quantization': np.asarray(metrics.quantization),
      'resets': np.asarray(metrics.resets),
  }
  if metrics.contrastive is not None:
    columns['contrastive'] = np.asarray(metrics.contrastive)
  for level, level_counts in enumerate(counts, start=1):
    columns[f'usage_level_{level}'] = np.mean(level_counts > 0, axis=-1)
    columns[f'perplexity_level_{level}'] = perplexity(level_counts)
  steps = first_step + group_steps * np.arange(1, len(columns['loss']) + 1)
  return [
      {'step': int(step), 'epoch': float(step / epoch_steps)}
      | {name: column[i].item() for name, column in columns.items()}
      for i, step in enumerate(steps)
  ]


def perplexity(counts: np.ndarray) -> np.ndarray:
  """Returns exp of the entropy of codes: how many are used, in effect.

  Args:
    counts: [..., codebook_size], how often each code was taken.

  Returns:
    [...], between 1 and `codebook_size`.

  >>> perplexity(np.array([[5, 5, 0], [7, 0, 0]])).tolist()
  [2.0, 1.0]
  """
  shares = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
  logs = np.log(np.where(shares > 0, shares, 1.0))
  return np.round(np.exp(-np.sum(shares * logs, axis=-1)), 6)
