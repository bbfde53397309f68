# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What training day by day recorded: a row for each day.

* `incremental.json`: every day with every figure;
* `incremental.csv`: a row for each day, a column for each metric asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import dataclasses
import json
import os
import pathlib

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.reports import study_results
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import sid_table_file

JSON_FILE, CSV_FILE = 'incremental.json', 'incremental.csv'
_EVALUATION, _SEMANTIC_IDS = 'evaluation', 'semantic_ids'
_FROZEN = 'frozen/'
_COLUMNS = ('day', 'train_day', 'evaluation_day', 'num_items', 'num_new_items')


@dataclasses.dataclass(frozen=True)
class DayResult:
  """One day.

  Attributes:
    day: its number.
    train_day: the last day trained on.
    evaluation_day: the last day evaluated on.
    num_items: items of the SID table.
    num_new_items: those that the day before did not have; 0 on day 0.
    figures: every number that its evaluation recorded, by its flat name; those
      of the generator of day 0 as `frozen/<name>`.
  """

  day: int
  train_day: str
  evaluation_day: str
  num_items: int
  num_new_items: int
  figures: Mapping[str, float]


def read(
    day: int,
    train_day: str,
    evaluation_day: str,
    directory: pathlib.Path,
    before: pathlib.Path | None,
    frozen: pathlib.Path | None,
) -> DayResult:
  """Reads what a day's run left.

  Args:
    day: its number.
    train_day: the last day trained on.
    evaluation_day: the last day evaluated on.
    directory: its run directory.
    before: that of the day before.
    frozen: that of the generator of day 0.

  Returns:
    The day's results.

  Raises:
    InputError: an item that was there the day before has another SID.
  """
  table = _table(directory)
  num_new = 0
  if before is not None:
    num_new = _count_new(_table(before), table, directory)
  figures = study_results.read_figures(directory, [_EVALUATION])
  if frozen is not None:
    of_day_0 = study_results.read_figures(frozen, [_EVALUATION])
    figures |= {_FROZEN + name: value for name, value in of_day_0.items()}
  return DayResult(
      day, train_day, evaluation_day, table.num_items, num_new, figures
  )


def frozen(metric: str) -> str:
  """Names a metric of the generator of day 0."""
  return _FROZEN + metric


def _table(directory: pathlib.Path) -> sid_table.SidTable:
  return sid_table.load(directory / _SEMANTIC_IDS / sid_table_file.FILE_NAME)


def _count_new(
    before: sid_table.SidTable,
    table: sid_table.SidTable,
    directory: pathlib.Path,
) -> int:
  """Counts new items, and sees to it that all others kept their SIDs."""
  rows = before.item_rows(table.item_ids)
  known = rows >= 0
  changed = np.any(
      table.full_codes[known] != before.full_codes[rows[known]], axis=1
  )
  if changed.any():
    item = table.item_ids[int(np.flatnonzero(known)[np.argmax(changed)])]
    raise InputError(
        f'{int(changed.sum())} items have other SIDs than the day before, such '
        f'as {item.as_py()!r}.',
        where=directory / _SEMANTIC_IDS,
        expected='the SIDs of the day before',
        fix='Delete the folders of this day and of later ones, and run the '
        'same command again.',
    )
  return int((~known).sum())


def check_metrics(metrics: Sequence[str], result: DayResult) -> None:
  """Refuses a metric that the first day has not recorded."""
  for metric in metrics:
    if metric not in result.figures:
      raise InputError(
          f'The days do not record {metric!r}.',
          where='--metrics',
          expected=f'some of {", ".join(result.figures)}',
          fix='Correct the name and run the same command again: what is '
          'finished stays.',
      )


def save(
    results: Sequence[DayResult],
    metrics: Sequence[str],
    directory: str | os.PathLike[str],
) -> None:
  """Writes `incremental.json` and `incremental.csv`.

  Args:
    results: of the days so far.
    metrics: columns of the CSV file, each followed by that of day 0's generator
      where it was measured.
    directory: the folder of the days.
  """
  directory = pathlib.Path(directory)
  with atomic.write_file(directory / JSON_FILE) as temporary:
    days = [dataclasses.asdict(result) for result in results]
    text = json.dumps({'days': days}, indent=2, allow_nan=False)
    temporary.write_text(text + '\n', encoding='utf-8')
  names = columns(results, metrics)
  with (
      atomic.write_file(directory / CSV_FILE) as temporary,
      open(temporary, 'w', newline='', encoding='utf-8') as file,
  ):
    rows = csv.writer(file, lineterminator='\n')
    rows.writerow([*_COLUMNS, *names])
    for result in results:
      fixed = [getattr(result, name) for name in _COLUMNS]
      rows.writerow([*fixed, *(result.figures.get(name) for name in names)])


def columns(results: Sequence[DayResult], metrics: Sequence[str]) -> list[str]:
  """Returns metrics, each with that of the generator of day 0 if any."""
  names = []
  for metric in metrics:
    names += [metric, frozen(metric)]
  return [n for n in names if any(n in result.figures for result in results)]
