# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation of retrieval, ranking and rating leaves on disk.

* `metrics.json`: one flat object, `<model>/<metric>` to number, such as
  `sasrec/ranking/hr@10`; null for what is not defined.
* `protocol.json`: what was asked, and `undefined`: for each `<model>/<task>`
  without numbers, why.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
from typing import Any

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError

METRICS_FILE = 'metrics.json'
PROTOCOL_FILE = 'protocol.json'
RETRIEVAL, RANKING, RATING = 'retrieval', 'ranking', 'rating'
TASKS = (RETRIEVAL, RANKING, RATING)


@dataclasses.dataclass(frozen=True)
class Undefined:
  """Why a model has no figures of a task.

  Attributes:
    reason: for readers.
  """

  reason: str


Figures = Mapping[str, float | None] | Undefined


@dataclasses.dataclass(frozen=True)
class TaskResults:
  """The figures of all models.

  Attributes:
    metrics: `<model>/<metric>` to number, or None.
    undefined: `<model>/<task>` to the reason.
    protocol: what was asked, as JSON values.
  """

  metrics: Mapping[str, float | None]
  undefined: Mapping[str, str]
  protocol: Mapping[str, Any]

  @property
  def models(self) -> list[str]:
    """The models' names, in the order of the evaluation."""
    return list(dict.fromkeys(name.partition('/')[0] for name in self.metrics))


def metric_names(ks: tuple[int, ...]) -> dict[str, list[str]]:
  """Names the metrics of each task, so that none is ever left out.

  Args:
    ks: cut-offs.

  >>> metric_names((5,))['ranking']
  ['ranking/hr@5', 'ranking/ndcg@5', 'ranking/mrr']
  """
  return {
      RETRIEVAL: [f'retrieval/{m}@{k}' for k in ks for m in ('recall', 'ndcg')],
      RANKING: [f'ranking/{m}@{k}' for k in ks for m in ('hr', 'ndcg')]
      + ['ranking/mrr'],
      RATING: ['rating/rmse', 'rating/mae', 'rating/auc'],
  }


def collect(
    figures: Mapping[str, Mapping[str, Figures]],
    *,
    ks: tuple[int, ...],
    protocol: Mapping[str, Any],
) -> TaskResults:
  """Puts the figures of all models together.

  Args:
    figures: by model and by task of `TASKS`.
    ks: cut-offs.
    protocol: what was asked, as JSON values.

  Returns:
    A metric for each model, task and name, whether there is a number or not.
  """
  metrics: dict[str, float | None] = {}
  undefined = {}
  for model, of_tasks in figures.items():
    for task, names in metric_names(ks).items():
      found = of_tasks[task]
      if isinstance(found, Undefined):
        undefined[f'{model}/{task}'] = found.reason
        found = {}
      for name in names:
        metrics[f'{model}/{name}'] = found.get(name)
  return TaskResults(metrics, undefined, protocol)


def save(results: TaskResults, directory: str | os.PathLike[str]) -> None:
  """Writes `metrics.json` and `protocol.json`.

  Args:
    results: of all models.
    directory: an existing folder.
  """
  directory = pathlib.Path(directory)
  protocol = {**results.protocol, 'undefined': dict(results.undefined)}
  for name, value in (
      (METRICS_FILE, dict(results.metrics)),
      (PROTOCOL_FILE, protocol),
  ):
    with atomic.write_file(directory / name) as temporary:
      text = json.dumps(value, indent=2, allow_nan=False)
      temporary.write_text(text + '\n', encoding='utf-8')


def load(directory: str | os.PathLike[str]) -> TaskResults:
  """Reads what `save` wrote.

  Args:
    directory: the folder.

  Raises:
    InputError: a file is missing or cannot be read.
  """
  directory = pathlib.Path(directory)
  values = []
  for name in (METRICS_FILE, PROTOCOL_FILE):
    try:
      values.append(json.loads((directory / name).read_text(encoding='utf-8')))
    except (OSError, ValueError) as error:
      raise InputError(
          f'The results cannot be read: {error}',
          where=directory / name,
          expected='the file that a finished stage evaluate_tasks writes',
          fix='Run the stage again.',
      ) from error
  metrics, protocol = values
  return TaskResults(metrics, protocol.pop('undefined'), protocol)
