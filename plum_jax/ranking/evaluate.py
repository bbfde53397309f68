# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained ranker on the test days: all items, cold-start items, by decile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math
from typing import Any

import numpy as np

from plum_jax.artifacts import progress
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import Label
from plum_jax.ranking import metrics
from plum_jax.ranking.batches import BatchMaker
from plum_jax.ranking.batches import Scaling
from plum_jax.ranking.data import RankingData
from plum_jax.ranking.item_features import ItemFeatures
from plum_jax.ranking.model import RankerModel

Metrics = dict[str, float | int | None]
_DECILES = 10


def predict(
    model: RankerModel,
    params: Any,
    maker: BatchMaker,
    rows: slice,
    batch_size: int,
) -> np.ndarray:
  """Predicts the labels of impressions.

  Args:
    model: the model.
    params: its parameters.
    maker: makes batches.
    rows: which impressions.
    batch_size: how many at a time; the last batch is filled up with copies.

  Returns:
    float32 [n, num_labels]; see `RankerNetwork`.
  """
  count = rows.stop - rows.start
  report = progress.Progress('ranking: predict', count, 'impressions')

  def batches() -> Iterator[np.ndarray]:
    for start in range(rows.start, rows.stop, batch_size):
      yield np.minimum(np.arange(start, start + batch_size), rows.stop - 1)

  # Of one shape, so that the program compiles once.
  items_per_row = maker.items_per_row(batches())
  found = []
  for number, wanted in enumerate(batches(), start=1):
    found.append(model.predict(params, maker.make(wanted, items_per_row)))
    report.update(min(number * batch_size, count))
  return np.concatenate([np.asarray(one) for one in found])[:count]


def measure(
    data: RankingData,
    features: ItemFeatures,
    predictions: np.ndarray,
    scaling: Scaling,
) -> Metrics:
  """Measures predictions of the test days.

  Args:
    data: with the labels.
    features: of the items.
    predictions: [n, num_labels] as the network gives them.
    scaling: of graded labels.

  Returns:
    By flat names, None where a figure is not defined:
    * `ranking/<binary label>/auc`, `…/auc_1d` (cold-start items: CTR AUC and
      CTR/1D AUC of arXiv 2306.08121), `…/log_loss`, `…/calibration` (mean
      prediction by share of ones), `…/auc_decile_01` (least popular) to `_10`;
    * `ranking/<graded label>/rmse` and `rmse_1d`, in the label's unit;
    * `ranking/look_ups/decile_01` to `_10` and `cold_start`: mean number of
      rows that an item looks up;
    * `ranking/rows/<table>` and `ranking/rows_used/<table>`: rows of a table,
      and those that items of the training window look up;
    * numbers of impressions: `ranking/num_train`, `num_test`, `num_test_1d`,
      and of cold-start items, `num_cold_start_items`.
  """
  split = data.split
  items = data.impressions.items[split.test]
  cold = split.cold_start_items[items]
  groups = metrics.popularity_groups(data.inputs.num_impressions, _DECILES)
  found: Metrics = {
      'ranking/num_train': split.train.stop - split.train.start,
      'ranking/num_test': split.test.stop - split.test.start,
      'ranking/num_test_1d': int(cold.sum()),
      'ranking/num_cold_start_items': int(split.cold_start_items.sum()),
  }
  for column, label in enumerate(data.impressions.labels):
    values = data.impressions.values[split.test, column]
    there = ~np.isnan(values)
    outputs = predictions[:, column].astype(np.float64)
    if label.kind != BINARY:
      outputs = outputs * scaling.scale[column] + scaling.mean[column]
    subset = _subset_measure(label, values[there], outputs[there])
    found |= subset('', np.ones(int(there.sum()), bool))
    found |= subset('_1d', cold[there])
    if label.kind == BINARY:
      for decile in range(_DECILES):
        rows = groups[items[there]] == decile
        found[f'ranking/{label.name}/auc_decile_{decile + 1:02d}'] = (
            metrics.auc(values[there][rows], outputs[there][rows])
        )
  return found | _table_figures(data, features, groups)


def _subset_measure(
    label: Label, values: np.ndarray, outputs: np.ndarray
) -> Callable[[str, np.ndarray], Metrics]:
  """Returns a function that measures a label on some of its impressions."""

  def binary(suffix: str, rows: np.ndarray) -> Metrics:
    name = f'ranking/{label.name}'
    return {
        f'{name}/auc{suffix}': metrics.auc(values[rows], outputs[rows]),
        f'{name}/log_loss{suffix}': metrics.log_loss(
            values[rows], outputs[rows]
        ),
        f'{name}/calibration{suffix}': metrics.calibration(
            values[rows], outputs[rows]
        ),
    }

  def graded(suffix: str, rows: np.ndarray) -> Metrics:
    return {
        f'ranking/{label.name}/rmse{suffix}': metrics.rmse(
            values[rows], outputs[rows]
        )
    }

  return binary if label.kind == BINARY else graded


def _table_figures(
    data: RankingData, features: ItemFeatures, groups: np.ndarray
) -> Metrics:
  """Tells how tables are used, and how many rows items look up."""
  found: Metrics = {}
  impressed = data.inputs.num_impressions > 0
  used = features.rows_used(impressed)
  for table in features.tables:
    found[f'ranking/rows/{table.name}'] = table.num_rows
    found[f'ranking/rows_used/{table.name}'] = used[table.name]
  look_ups = features.look_ups
  for decile in range(_DECILES):
    name = f'ranking/look_ups/decile_{decile + 1:02d}'
    found[name] = _mean(look_ups[groups == decile])
  cold = _mean(look_ups[data.split.cold_start_items])
  return found | {'ranking/look_ups/cold_start': cold}


def _mean(values: np.ndarray) -> float | None:
  mean = float(values.mean()) if len(values) else math.nan
  return None if math.isnan(mean) else mean
