# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation leaves on disk: metrics, protocol, recommendations.

* `metrics.json`: one flat object, `<recommender>/<metric>` to number, such as
  `sasrec/retrieval/recall@10`; null for what is not defined or not known.
  Nothing in it depends on the time a run took.
* `protocol.json`: the split, and for each recommender how it was evaluated.
* `recommendations.parquet`: a row for each recommender and user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation.evaluator import EvaluationResult
from plum_jax.evaluation.protocols import NO_ITEM

METRICS_FILE = 'metrics.json'
PROTOCOL_FILE = 'protocol.json'
RECOMMENDATIONS_FILE = 'recommendations.parquet'


@dataclasses.dataclass(frozen=True)
class SavedResults:
  """What `save_results` wrote.

  Attributes:
    metrics: `<recommender>/<metric>` to number, or None.
    protocol: `split`, and `recommenders`: for each name `exclude_history`,
      `num_users`, `num_items` and `ks`.
    recommendations: columns `recommender`, `user_id`, `history_item_ids` (the
      newest, newest last), `target_item_ids`, `item_ids` (best first) and
      `scores`.
  """

  metrics: Mapping[str, float | None]
  protocol: Mapping[str, Any]
  recommendations: pa.Table


def flat_metrics(
    results: Mapping[str, EvaluationResult],
) -> dict[str, float | None]:
  """Puts the recommender's name before each metric's."""
  return {
      f'{name}/{metric}': value
      for name, result in results.items()
      for metric, value in result.metrics.items()
  }


def save_results(
    directory: str | os.PathLike[str],
    results: Mapping[str, EvaluationResult],
    *,
    split: str,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    history_item_ids: np.ndarray,
    history_shown: int = 20,
) -> None:
  """Writes the three files of an evaluation.

  Args:
    directory: the folder, made if it is not there.
    results: by the recommender's name, such as `generative`; all of the same
      users in the same order.
    split: what was held out, such as `leave_one_out`.
    user_ids: id of each evaluated user [num_users].
    item_ids: id of each item of the catalog [num_items].
    history_item_ids: int32 [num_users, history_length], item numbers, newest
      last, padded on the left with `NO_ITEM`.
    history_shown: number of newest items of a history to write.

  Raises:
    InputError: the results are not of these users and items.
  """
  directory = pathlib.Path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  _check(results, len(user_ids), len(item_ids), history_item_ids)
  for name, value in (
      (METRICS_FILE, flat_metrics(results)),
      (PROTOCOL_FILE, _protocol(results, split)),
  ):
    with atomic.write_file(directory / name) as temporary:
      text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
      temporary.write_text(text + '\n', encoding='utf-8')
  ids = pa.array(item_ids, pa.string())
  history = _lists(ids, history_item_ids[:, -history_shown:])
  tables = [
      pa.table(
          {
              'recommender': pa.repeat(name, len(user_ids)),
              'user_id': pa.array(user_ids, pa.string()),
              'history_item_ids': history,
              'target_item_ids': _lists(ids, result.targets),
              'item_ids': _lists(ids, result.item_ids),
              'scores': _scores(result),
          }
      )
      for name, result in results.items()
  ]
  with atomic.write_file(directory / RECOMMENDATIONS_FILE) as temporary:
    pq.write_table(pa.concat_tables(tables), temporary, compression='zstd')


def load_results(directory: str | os.PathLike[str]) -> SavedResults:
  """Reads what `save_results` wrote.

  Raises:
    InputError: a file is missing or cannot be read.
  """
  directory = pathlib.Path(directory)
  loaded = []
  for name, read in (
      (METRICS_FILE, _read_json),
      (PROTOCOL_FILE, _read_json),
      (RECOMMENDATIONS_FILE, pq.read_table),
  ):
    try:
      loaded.append(read(directory / name))
    except (OSError, ValueError) as error:
      raise InputError(
          f'The results of the evaluation cannot be read: {error}',
          where=directory / name,
          expected='the file that a finished evaluation writes',
          fix='Run the evaluation stage again.',
      ) from error
  return SavedResults(*loaded)


def _read_json(path: pathlib.Path) -> Any:
  return json.loads(path.read_text(encoding='utf-8'))


def _protocol(
    results: Mapping[str, EvaluationResult], split: str
) -> dict[str, Any]:
  return {
      'split': split,
      'recommenders': {
          name: {
              'exclude_history': result.exclude_history,
              'num_users': result.num_users,
              'num_items': result.num_items,
              'ks': list(result.ks),
          }
          for name, result in results.items()
      },
  }


def _check(results, num_users, num_items, history_item_ids) -> None:
  """Raises InputError unless all results are of the same users and items."""
  fix = 'Evaluate all recommenders on the same examples of one catalog.'
  if not results:
    raise InputError(
        'There are no results to write.',
        where='save_results',
        expected='one recommender at least',
        fix=fix,
    )
  first = next(iter(results.values()))
  for name, result in results.items():
    same = (
        result.num_users == num_users == len(history_item_ids)
        and result.num_items == num_items
        and np.array_equal(result.targets, first.targets)
    )
    if not same or '/' in name:
      raise InputError(
          f'The result {name!r} is of {result.num_users} users and '
          f'{result.num_items} items.',
          where=f'save_results, results[{name!r}]',
          expected=f'a name without a slash, {num_users} users, {num_items} '
          'items, and the same targets as the other results',
          fix=fix,
      )


def _lists(ids: pa.Array, numbers: np.ndarray) -> pa.ListArray:
  """Turns rows of item numbers into lists of ids, without the padding."""
  present = numbers != NO_ITEM
  return pa.ListArray.from_arrays(
      _offsets(present), ids.take(pa.array(numbers[present]))
  )


def _scores(result: EvaluationResult) -> pa.ListArray:
  scores = pa.array(result.scores[result.valid], pa.float32())
  return pa.ListArray.from_arrays(_offsets(result.valid), scores)


def _offsets(present: np.ndarray) -> pa.Array:
  counts = np.sum(present, axis=1)
  return pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32())
