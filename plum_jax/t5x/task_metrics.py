# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ranking and rating as metrics of SeqIO tasks, for T5X's evaluation.

T5X scores the targets of each example. So a task is evaluated on each of its
records several times, with each candidate, or each rating, in the target's
place; the figures are those of `plum_jax.evaluation`, from the same scores. T5X
encodes each prompt as often; the stage `evaluate_tasks` does so once a user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import os
from typing import Any

import numpy as np
from scipy import special
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import ranking_candidates
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split
from plum_jax.data import rating_values
from plum_jax.data import training_windows
from plum_jax.data.expanded_source import ExpandedSource
from plum_jax.evaluation import ranking
from plum_jax.evaluation import rating
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import sid_table
from plum_jax.stages.run_directory import RunDirectory


def with_ranking(
    task: str,
    run_dir: str | os.PathLike[str],
    *,
    split: str = 'test',
    num_negatives: int = 99,
    sampling: str = ranking_candidates.UNIFORM,
    seed: int = 0,
    ks: Sequence[int] = ranking.KS,
) -> str:
  """Registers `<task>_with_ranking`, in the place of an older one.

  Args:
    task: name of a registered task over user histories, whose targets are the
      target item as Semantic ID or text.
    run_dir: the run directory, with `catalog/`, `semantic_ids/` and `tasks/`.
    split: the only one that the new task has: `test` or `validation`.
    num_negatives: see `catalog.ranking_candidates`.
    sampling: see there.
    seed: see there.
    ks: cut-offs.

  Returns:
    The name of a task with an example for each candidate, and the metrics of
    `evaluation.ranking`.

  Raises:
    InputError: an artifact is missing, or the candidates cannot be drawn.
  """
  folders = RunDirectory(run_dir)
  histories, made_split = training_windows.split_histories(run_dir)
  drawn = ranking_candidates.draw_ranking_candidates(
      histories,
      made_split,
      getattr(made_split, split),
      num_negatives=num_negatives,
      sampling=sampling,
      seed=seed,
  )
  codes = sid_table.load(folders.semantic_ids / semantic_ids.TABLE_FILE)
  return _register(
      task,
      'ranking',
      split,
      {
          'target_item_id': drawn.item_ids,
          'target_sid_codes': codes.full_codes[drawn.item_ids],
      },
      lambda scores: ranking.ranking_metrics(scores, drawn.place, ks=ks),
  )


def with_rating(
    task: str,
    run_dir: str | os.PathLike[str],
    *,
    split: str = 'test',
    liked: float = rating.LIKED,
) -> str:
  """Registers `<task>_with_rating`, in the place of an older one.

  Args:
    task: name of a registered task of rating prediction.
    run_dir: the run directory, with `catalog/`, `vocabulary/` and `tasks/`.
    split: the only one that the new task has: `test` or `validation`.
    liked: see `evaluation.rating`.

  Returns:
    The name of a task with an example for each rating there is, and the metrics
    of `evaluation.rating` for the mean of the ratings by their probability.

  Raises:
    InputError: an artifact is missing, or a target has no rating.
  """
  histories, made_split = training_windows.split_histories(run_dir)
  values = rating_values.load(run_dir).values
  ratings = _ratings(histories, made_split, split)
  lowest, highest = np.nanmin(histories.ratings), np.nanmax(histories.ratings)

  def metric(scores):
    predictions = special.softmax(scores, axis=1) @ np.array(values)
    return rating.rating_metrics(
        ratings,
        predictions,
        lowest=float(lowest),
        highest=float(highest),
        liked=liked,
    )

  asked = np.tile(np.array(values, np.float32), (len(ratings), 1))
  return _register(task, 'rating', split, {'target_rating': asked}, metric)


def _ratings(histories: Histories, made: Split, split: str) -> np.ndarray:
  """Returns the ratings of a split's targets, float32 [n]."""
  ratings = histories.ratings[getattr(made, split).position]
  missing = int(np.isnan(ratings).sum())
  if missing:
    raise InputError(
        f'{missing} of {len(ratings)} targets have no rating.',
        where=f'the split {split}',
        expected='a rating for each target',
        fix='Evaluate ratings with the stage evaluate_tasks, which leaves them '
        'out.',
    )
  return ratings


def _register(
    task: str,
    kind: str,
    split: str,
    values: Mapping[str, np.ndarray],
    figures: Callable[[np.ndarray], dict[str, Any]],
) -> str:
  """Registers a task over expanded records, with a metric of its scores."""
  original = seqio.TaskRegistry.get(task)
  shape = next(iter(values.values())).shape[:2]
  source = ExpandedSource(original.source, split, values)

  # SeqIO reads the names of its arguments.
  def metric(targets, scores):
    del targets
    found = np.asarray(scores, np.float64)
    if found.shape != (shape[0] * shape[1],):
      raise ValueError(
          f'{found.shape} scores for {shape[0]} targets with {shape[1]} answers'
          ' each: evaluate whole splits.'
      )
    return {
        name: value
        for name, value in figures(found.reshape(shape)).items()
        if value is not None
    }

  name = f'{task}_with_{kind}'
  if name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(name)
  seqio.TaskRegistry.add_provider(
      name, original.replace(name=name, source=source, metric_fns=[metric])
  )
  return name
