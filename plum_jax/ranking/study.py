# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A study: item features × table sizes × with and without history × seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import csv
import dataclasses
import json
import logging
import os
import pathlib
import shutil
import statistics
import time

import jax

from plum_jax.artifacts import atomic
from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.ranking import build
from plum_jax.ranking import compiled_programs
from plum_jax.ranking import feature_kinds
from plum_jax.ranking.build import RankingConfig
from plum_jax.ranking.data import RankingData
from plum_jax.ranking.evaluate import Metrics

REFERENCE = 'random_hashing'
JSON_FILE, CSV_FILE = 'ranking_study.json', 'ranking_study.csv'
_RUNS, _COMPILED = 'runs', 'compiled'
_LOGGER = logging.getLogger('plum_jax')


@dataclasses.dataclass(frozen=True)
class RankingStudy:
  """What is compared, as in arXiv 2306.08121, section 5.

  Attributes:
    ranker: what all rankers have in common; its feature, rows and
      `max_history` are replaced. Rows other than 0 are the base.
    features: names of item features; see `feature_kinds.NAMES`. Random hashing
      is always there: the others are compared with it.
    table_sizes: multiples of the base, from small to large. The base is the
      number of codes of all levels, the paper's 8·K. Features of a fixed size
      are trained once.
    histories: with a watch history, without, or both.
    seeds: of each.
  """

  ranker: RankingConfig = RankingConfig()
  features: tuple[str, ...] = feature_kinds.NAMES
  table_sizes: tuple[int, ...] = (1, 2, 4)
  histories: tuple[bool, ...] = (True, False)
  seeds: tuple[int, ...] = (0, 1, 2)

  def __post_init__(self):
    """Refuses a study of nothing, and what comes twice."""
    for name in ('features', 'table_sizes', 'histories', 'seeds'):
      values = getattr(self, name)
      if not values or len(set(values)) < len(values):
        raise InputError(
            f'{name} = {values} cannot be studied.',
            where=f'RankingStudy.{name}',
            expected='at least one value, and none twice',
            fix='Correct the list.',
        )
    if min(self.table_sizes) < 1:
      raise InputError(
          f'table_sizes = {self.table_sizes} has a size below the base.',
          where='RankingStudy.table_sizes',
          expected='multiples of the base, at least 1',
          fix='Correct the list.',
      )
    for name in self.features:
      feature_kinds.named(name, 1)


@dataclasses.dataclass(frozen=True, order=True)
class Setting:
  """What a group of runs, one for each seed, has in common.

  Attributes:
    history: whether the watch history is read.
    feature: the item feature.
    table_size: multiple of the base; 0 for a feature of a fixed size.
  """

  history: bool
  feature: str
  table_size: int

  @property
  def name(self) -> str:
    """Names the setting's folders."""
    size = f'_{self.table_size}' if self.table_size else ''
    history = 'history' if self.history else 'no_history'
    return f'{history}-{self.feature}{size}'


@dataclasses.dataclass(frozen=True)
class Change:
  """A figure as % change from the reference, seed by seed.

  Attributes:
    values: one for each seed; None where a figure is not defined.
    mean: of the values that there are; None if there are none.
    spread: their sample standard deviation; None for fewer than two.
  """

  values: tuple[float | None, ...]
  mean: float | None
  spread: float | None


@dataclasses.dataclass(frozen=True)
class StudyResults:
  """The figures of all runs.

  Attributes:
    base_rows: rows of a table of size 1.
    seeds: of each setting.
    click: name of the first label.
    figures: for each setting the figures by seed.
    rows: for each setting the rows of its tables together.
  """

  base_rows: int
  seeds: tuple[int, ...]
  click: str
  figures: dict[Setting, list[Metrics]]
  rows: dict[Setting, int]

  def values(self, setting: Setting, metric: str) -> list[float | None]:
    """Returns a figure by seed."""
    return [found.get(metric) for found in self.figures[setting]]

  def change(self, setting: Setting, metric: str) -> Change:
    """Compares a figure with that of random hashing with a base table.

    Args:
      setting: what is compared.
      metric: name of a figure.

    Returns:
      100 × (figure / reference - 1), with the reference of the same seed and
      with or without history as the setting.
    """
    reference = dataclasses.replace(
        setting, feature=REFERENCE, table_size=self.smallest
    )
    return change(self.values(setting, metric), self.values(reference, metric))

  @property
  def smallest(self) -> int:
    """The size of the reference's table."""
    return min(
        setting.table_size
        for setting in self.figures
        if setting.feature == REFERENCE
    )


def change(
    values: Sequence[float | None], references: Sequence[float | None]
) -> Change:
  """Computes the % change of values from references, pair by pair.

  >>> change([0.55, None, 0.6], [0.5, 0.5, 0.5]).mean.__round__(6)
  15.0
  """
  changes = [
      None if a is None or not b else 100 * (a / b - 1)
      for a, b in zip(values, references, strict=True)
  ]
  known = [one for one in changes if one is not None]
  return Change(
      tuple(changes),
      statistics.fmean(known) if known else None,
      statistics.stdev(known) if len(known) > 1 else None,
  )


def settings(config: RankingStudy) -> Iterator[Setting]:
  """Lists the settings of a study, the reference first."""
  features = dict.fromkeys((REFERENCE, *config.features))
  for history in config.histories:
    for feature in features:
      fixed = feature in feature_kinds.FIXED_SIZE
      for size in (0,) if fixed else config.table_sizes:
        yield Setting(history, feature, size)


def run(
    directory: str | os.PathLike[str],
    *,
    data: RankingData,
    config: RankingStudy,
    mesh: jax.sharding.Mesh | None = None,
) -> StudyResults:
  """Trains and measures all rankers; finished ones are skipped.

  Args:
    directory: gets `runs/<setting>/seed_<n>/`, each as `build.build` makes it.
    data: what they are trained and measured on.
    config: what is compared.
    mesh: the devices; all if None.

  Returns:
    The figures.

  Raises:
    InputError: see `build.build`.
  """
  directory = pathlib.Path(directory)
  base = config.ranker.num_rows or build.base(data.inputs)
  all_settings = list(settings(config))
  figures: dict[Setting, list[Metrics]] = {one: [] for one in all_settings}
  # A seed after the other: the comparison takes shape early.
  todo = [(seed, one) for seed in config.seeds for one in all_settings]
  begun = time.monotonic()
  with compiled_programs.kept_in(directory / _COMPILED):
    for number, (seed, setting) in enumerate(todo, start=1):
      _LOGGER.info(
          'ranking_study: run %d of %d: %s, seed %d  so far %s',
          number,
          len(todo),
          setting.name,
          seed,
          progress.format_seconds(time.monotonic() - begun),
      )
      folder = directory / _RUNS / setting.name / f'seed_{seed}'
      build.build(
          folder,
          data=data,
          config=ranker(config, setting, base),
          seed=seed,
          mesh=mesh,
      )
      text = (folder / build.METRICS_FILE).read_text(encoding='utf-8')
      figures[setting].append(json.loads(text))
  shutil.rmtree(directory / _COMPILED, ignore_errors=True)
  return StudyResults(
      base_rows=base,
      seeds=config.seeds,
      click=data.impressions.labels[0].name,
      figures=figures,
      rows={one: _num_rows(found[0]) for one, found in figures.items()},
  )


def ranker(config: RankingStudy, setting: Setting, base: int) -> RankingConfig:
  """Returns the ranker of a setting.

  Args:
    config: the study.
    setting: one of its settings.
    base: rows of a table of size 1.
  """
  network = config.ranker.network
  if not setting.history:
    network = dataclasses.replace(network, max_history=0)
  return dataclasses.replace(
      config.ranker,
      feature=setting.feature,
      num_rows=max(setting.table_size, 1) * base,
      network=network,
  )


def _num_rows(figures: Metrics) -> int:
  return sum(
      int(value or 0)
      for name, value in figures.items()
      if name.startswith('ranking/rows/')
  )


def save(results: StudyResults, directory: str | os.PathLike[str]) -> None:
  """Writes `ranking_study.json` and `ranking_study.csv`.

  Args:
    results: of a study.
    directory: its folder.
  """
  directory = pathlib.Path(directory)
  metrics = headline_metrics(results)
  lines = [
      {
          **dataclasses.asdict(setting),
          'num_rows': results.rows[setting],
          'figures': found,
          'changes': {
              metric: dataclasses.asdict(results.change(setting, metric))
              for metric in metrics
          },
      }
      for setting, found in results.figures.items()
  ]
  values = {
      'base_rows': results.base_rows,
      'seeds': list(results.seeds),
      'compared_with': REFERENCE,
      'settings': lines,
  }
  with atomic.write_file(directory / JSON_FILE) as temporary:
    text = json.dumps(values, indent=2, allow_nan=False)
    temporary.write_text(text + '\n', encoding='utf-8')
  with (
      atomic.write_file(directory / CSV_FILE) as temporary,
      open(temporary, 'w', newline='', encoding='utf-8') as file,
  ):
    rows = csv.writer(file, lineterminator='\n')
    rows.writerow(['history', 'feature', 'num_rows', 'seed', *metrics])
    for setting, found in results.figures.items():
      for seed, figures in zip(results.seeds, found, strict=True):
        row = [setting.history, setting.feature, results.rows[setting], seed]
        rows.writerow(row + [figures.get(metric) for metric in metrics])


def headline_metrics(results: StudyResults) -> list[str]:
  """Returns the names of CTR AUC and CTR/1D AUC."""
  return [
      f'ranking/{results.click}/auc',
      f'ranking/{results.click}/auc_1d',
  ]
